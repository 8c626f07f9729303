/** Programs that run in a test network: none outlives it, or the process that made it. */
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { type BigIntStats, statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { checkSignal, onAbort } from '../../base/abort.js';
import { checkBytes, checkList, checkObject, checkPath, isSystemText, optional } from '../../base/checks.js';
import { errnoName, invalidArgument, TapfdError } from '../../base/errors.js';
import { runtimeName } from '../../base/native.js';
import { type Netns, spawnMortal } from '../../links/netns.js';
import { Guard } from './guard.js';

/** How much of a failed program's output its error has. */
const MAX_COMPLAINT_CHARACTERS = 2000;

/** Options of a test host's `exec()`. */
export interface ExecOptions {
  /** What it reads from its standard input. Default: nothing. */
  input?: string | Uint8Array | undefined;
  /** The environment. Default: the caller's. */
  env?: NodeJS.ProcessEnv | undefined;
  /** The working directory. Default: the caller's. */
  cwd?: string | undefined;
  /** Kills it when aborted; the promise then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** What a program that has ended with status 0 has written. */
export interface ExecResult {
  /** What it wrote to its standard output. */
  stdout: string;
  /** What it wrote to its standard error. */
  stderr: string;
}

/** The programs of one namespace. */
export class Processes {
  readonly #netns: Netns;
  /** Which namespace it is: whoever closes it early frees the number of its descriptor. */
  readonly #identity: BigIntStats;
  readonly #running = new Set<ChildProcess>();
  /** Bun starts children in a way that leaves no moment to ask the kernel to end them with this thread. */
  /* c8 ignore next -- the tests that count coverage run in Node */
  readonly #guard = runtimeName() === 'bun' ? new Guard() : undefined;

  constructor(netns: Netns) {
    this.#netns = netns;
    this.#identity = statSync(netns.path, { bigint: true });
  }

  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    const child = spawnMortal(this.#netns, command, args, options);
    if (child.pid === undefined) return child;
    this.#running.add(child);
    this.#guard?.add(child);
    child.once('exit', () => this.#running.delete(child));
    return child;
  }

  async exec(command: string, args: readonly string[], options: ExecOptions): Promise<ExecResult> {
    const { signal, input, env, cwd } = options;
    signal?.throwIfAborted();
    const child = this.spawn(command, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
    const forget = onAbort(signal, () => void child.kill('SIGKILL'));
    // A program that does not read breaks the pipe, which is no failure.
    child.stdin?.on('error', () => undefined).end(input);
    const outcome = outcomeOf(child, command, args).finally(forget);
    return outcome.catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
  }

  /** Kills what runs: the programs, and what they have started themselves. */
  async close(): Promise<void> {
    const ended = [...this.#running].map((child) => new Promise((resolve) => child.once('exit', resolve)));
    for (const child of this.#running) child.kill('SIGKILL');
    await killAllIn(this.#identity);
    await Promise.all(ended);
    await this.#guard?.close();
  }
}

/** A program may start others while it is being killed: until a look finds none. */
async function killAllIn(namespace: BigIntStats): Promise<void> {
  for (;;) {
    const pids = await processesIn(namespace);
    if (pids.length === 0) return;
    for (const pid of pids) kill(pid);
  }
}

async function processesIn({ dev, ino }: BigIntStats): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      // It ended meanwhile, or is another user's.
      const own = await stat(`/proc/${pid}/ns/net`, { bigint: true }).catch(() => undefined);
      return own?.dev === dev && own.ino === ino && pid !== process.pid;
    }),
  );
  return pids.filter((_, place) => found[place]);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
    /* c8 ignore next 3 -- it ended between the two calls */
  } catch {
    // It has ended.
  }
}

function outcomeOf(child: ChildProcess, command: string, args: readonly string[]): Promise<ExecResult> {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(notStarted(command, error)));
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(failed([command, ...args].join(' '), code, signal, output));
    });
  });
}

function notStarted(command: string, error: Error & { errno?: number }): TapfdError {
  const { errno } = error;
  /* c8 ignore next -- what Node refuses here has a number */
  const code = errno === undefined ? 'ERR_TAPFD_EXEC' : errnoName(errno);
  const message = `exec: ${command} could not be started (${code})`;
  return new TapfdError(code, message, { errno, syscall: 'spawn', path: command, cause: error });
}

function failed(
  line: string,
  code: number | null,
  signal: NodeJS.Signals | null,
  { stdout, stderr }: ExecResult,
): TapfdError {
  const said = (stderr || stdout).trim().slice(-MAX_COMPLAINT_CHARACTERS);
  const how = code === null ? `was ended by ${signal}` : `ended with status ${code}`;
  return new TapfdError('ERR_TAPFD_EXEC', `exec: ${line} ${how}${said && `: ${said}`}`, {
    ...(said && { detail: said }),
  });
}

/** Checks the arguments of `exec()` and `spawn()`. */
export function checkCommand(command: unknown, args: unknown): readonly string[] {
  if (!isSystemText(command) || command === '') {
    throw invalidArgument('command', 'the name or path of a program', command);
  }
  return checkList('args', args, 'an array of arguments', (argument, value) => {
    if (isSystemText(value)) return value;
    throw invalidArgument(argument, 'text without NUL', value);
  });
}

/** Checks the options of `exec()`, whose names were checked. */
export function checkExecOptions(options: unknown): ExecOptions {
  const { input, env, cwd, signal }: ExecOptions = checkObject('options', options);
  optional(env, (value) => checkObject('env', value));
  optional(cwd, (value) => checkPath('cwd', value));
  return { input: optional(input, checkInput), env, cwd, signal: checkSignal(signal) };
}

function checkInput(value: unknown): string | Uint8Array {
  return typeof value === 'string' ? value : checkBytes('input', value);
}
