/** The machine that figures are measured on. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../scripts/prepare.mjs';

export function machineFacts() {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return {
    tapfd: version,
    node: process.versions.node,
    kernel: release(),
    processor: cpus()[0]?.model.trim(),
    processors: availableParallelism(),
  };
}
