/** The options of a bench on the command line. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { say, Trouble } from '../scripts/run-command.mjs';

/**
 * Reads them; `--help` prints the comment at the top of the program, which explains them, and ends the process.
 *
 * @template {import('node:util').ParseArgsConfig['options']} Options
 * @param {string} program `import.meta.url` of it
 * @param {Options} options
 */
export function optionsOf(program, options) {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean' } } });
    if (!values.help) return values;
  } catch (error) {
    throw new Trouble(error.message, 'use --help to see the options');
  }
  const text = readFileSync(fileURLToPath(program), 'utf8');
  const comment = text.slice(text.indexOf('\n') + 1, text.indexOf('\n */'));
  say(comment.replaceAll(/^ \* ?/gm, ''));
  process.exit(0);
}
