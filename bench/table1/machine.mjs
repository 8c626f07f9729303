/** What the figures were measured on. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../../scripts/prepare.mjs';

export function machineFacts() {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const { stdout } = spawnSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' });
  return {
    tapfd: version,
    node: process.versions.node,
    kernel: release(),
    qemu: /version ([\d.]+)/.exec(stdout)?.[1],
    accelerator: 'tcg',
    processor: cpus()[0]?.model.trim(),
    processors: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    startedAt: new Date().toISOString(),
  };
}
