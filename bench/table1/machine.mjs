/** The machine that figures are measured on, with what runs the guests. */
import { spawnSync } from 'node:child_process';
import { totalmem } from 'node:os';
import { machineFacts } from '../machine.mjs';

export function guestMachineFacts() {
  const { stdout } = spawnSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' });
  return {
    ...machineFacts(),
    qemu: /version ([\d.]+)/.exec(stdout)?.[1],
    accelerator: 'tcg',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    startedAt: new Date().toISOString(),
  };
}
