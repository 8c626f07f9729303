/**
 * src/cli/completion/: `tapfd completion`: scripts for shells, made from the command tree. On top of terminal.
 */
import type { Command } from 'commander';
import { EXIT } from '../terminal/exit-codes.js';
import { bashScript } from './bash.js';
import { fishScript } from './fish.js';
import type { Shell } from './shells.js';
import { completionTree } from './tree.js';
import { zshScript } from './zsh.js';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export function completion(shell: Shell, program: Command): number {
  process.stdout.write(SCRIPTS[shell](completionTree(program)));
  return EXIT.ok;
}
