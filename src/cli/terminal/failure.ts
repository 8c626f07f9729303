/** How an error is reported: one line on standard error, with its code and what to do about it. */
import { EXIT } from './exit-codes.js';
import { printable } from './text.js';

/** A command line that makes no sense: nothing was done. */
export class UsageError extends Error {}

/** An error with an exit code of its own. */
export class CommandError extends Error {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

/** Prints the error and returns the exit code of the command. */
export function reportFailure(command: string, error: unknown): number {
  process.stderr.write(`tapfd ${command}: ${describeFailure(error)}\n`);
  return exitCodeOf(error);
}

/** `ENOENT`, `ERR_TAPFD_…`; empty if it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** One line: the library's errors name cause and remedy themselves. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error));
  const code = codeOf(error);
  const message = printable(error.message.replaceAll(/\s*\n\s*/g, ' '));
  return code === '' || message.includes(code) ? message : `${message} (${code})`;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof CommandError) return error.exitCode;
  return codeOf(error) === 'ERR_TAPFD_INVALID_ARGUMENT' ? EXIT.usage : EXIT.failed;
}
