#!/usr/bin/env node
/**
 * src/cli/: the command tapfd. On top of its commands.
 *
 * Here: where it begins. Each command's code is loaded when it is called, and the version needs none.
 */
import { readFileSync } from 'node:fs';

const [first] = process.argv.slice(2);
if (first === '--version' || first === '-V') {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  process.stdout.write(`${version}\n`);
} else {
  // In lists of processes, `tapfd list` among them, it would be node.
  process.title = 'tapfd';
  const { runProgram } = await import('./program.js');
  process.exitCode = await runProgram(process.argv.slice(2));
}
