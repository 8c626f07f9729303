/**
 * Lets the Nth system call of the addon fail. A preloaded library (failing_syscalls.c) does it, so it works in a
 * process that was started with {@link failingSyscallsEnvironment}.
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { madeOnce } from './made-once.js';
import { inRepo } from './paths.js';

const execute = promisify(execFile);
const SOURCE = inRepo('test/kit/failing_syscalls.c');
const CONTROL_VARIABLE = 'TAPFD_FAILING_SYSCALLS';

/** `struct Control` of failing_syscalls.c, in this machine's byte order. */
const ARMED = 0;
const CONTROL_BYTES = 64;
const FAILED_AT = 16;

/** What happened since {@link FailingSyscalls.arm}. */
export interface SyscallOutcome {
  /** How many calls the addon made. */
  calls: number;
  /** The one that failed: `ioctl 0x400454ca`, `socket`. `undefined` if there were too few calls for that. */
  failed: string | undefined;
}

/** The environment for a process in which {@link FailingSyscalls} works. Builds the library if necessary. */
export async function failingSyscallsEnvironment(directory: string): Promise<Record<string, string>> {
  const control = join(directory, 'failing-syscalls');
  writeFileSync(control, Buffer.alloc(CONTROL_BYTES));
  return { LD_PRELOAD: await buildLibrary(), [CONTROL_VARIABLE]: control };
}

/** Runs a test file again, with `settings` in its environment, in a process in which {@link FailingSyscalls} works. */
export async function rerunWithFailingSyscalls(
  t: Test,
  file: string,
  settings: Record<string, string> = {},
): Promise<void> {
  const failing = await failingSyscallsEnvironment(t.testdir());
  await t.spawn(process.execPath, [...process.execArgv, file], {
    env: { ...process.env, ...failing, ...settings },
  });
}

/** Builds the library once for each version of its source. */
function buildLibrary(): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(SOURCE)).digest('hex').slice(0, 16);
  const flags = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror', '-U_FORTIFY_SOURCE'];
  return madeOnce(`${process.arch}-${hash}-failing-syscalls.so`, (output) =>
    execute(process.env.CC ?? 'cc', [...flags, '-o', output, SOURCE, '-ldl', '-lpthread']),
  );
}

/** The functions of libc that the library replaces. */
export async function interposedFunctions(): Promise<string[]> {
  return definedSymbols(['-D', '--defined-only', await buildLibrary()]);
}

/** The functions of libc and others that `object` calls. */
export function importedFunctions(object: string): string[] {
  return definedSymbols(['-D', '--undefined-only', object]);
}

function definedSymbols(args: string[]): string[] {
  const lines = execFileSync('nm', args, { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => line.trim().split(/\s+/).at(-1)?.replace(/@.*/, '') ?? '');
}

/** The switch, in the process that the library is loaded in. */
export class FailingSyscalls {
  readonly #control: number;

  private constructor(control: number) {
    this.#control = control;
  }

  /** `undefined` in a process that was started without {@link failingSyscallsEnvironment}. */
  static attach(): FailingSyscalls | undefined {
    const path = process.env[CONTROL_VARIABLE];
    return path === undefined ? undefined : new FailingSyscalls(openSync(path, 'r+'));
  }

  /** From now on the `nth` call (1 is the next) of the addon fails with `errno` (positive), once. */
  arm(nth: number, errno: number): void {
    const control = Buffer.alloc(CONTROL_BYTES);
    new Int32Array(control.buffer, control.byteOffset, 3).set([0, nth, errno]);
    writeSync(this.#control, control, 0, CONTROL_BYTES, 0);
    this.#setArmed(1);
  }

  /** Everything works again. */
  disarm(): SyscallOutcome {
    this.#setArmed(0);
    const control = Buffer.alloc(CONTROL_BYTES);
    readSync(this.#control, control, 0, CONTROL_BYTES, 0);
    const [, , , calls = 0] = new Uint32Array(control.buffer, control.byteOffset, 4);
    const failed = control.toString('latin1', FAILED_AT, control.indexOf(0, FAILED_AT));
    return { calls, failed: failed === '' ? undefined : failed };
  }

  #setArmed(armed: number): void {
    writeSync(this.#control, new Uint8Array(new Uint32Array([armed]).buffer), 0, 4, ARMED);
  }
}
