/** Standard output: facts as text or JSON, and a reader that has gone. */

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
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
