/** Standard output: facts as text or JSON, and a reader that has gone. */

import { UNPRINTABLE } from './text.js';

/**
 * A reader that stops reading, as `tapfd list | head -1` does, ends the command quietly. Any other failure of standard
 * output is an error.
 */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`tapfd: standard output: ${error.message}\n`);
    process.exit(1);
  });
}

/** Prints lines. */
export function printLines(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

/** Prints a value as JSON that a person can read, too. */
export function printJson(value: unknown): void {
  process.stdout.write(`${jsonOf(value, 2)}\n`);
}

/**
 * JSON, in one line or indented. What a terminal would obey is escaped, as {@link printable} does in text: JSON itself escapes
 * the first 32 characters only.
 */
export function jsonOf(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replaceAll(OBEYED, (text) =>
    Array.from(
      { length: text.length },
      (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

/** Line breaks are those of the indent. */
const OBEYED = new RegExp(`(?!\n)${UNPRINTABLE.source}`, 'gu');
