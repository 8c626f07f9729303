/** The number that a descriptor gets in a child process, and writing it into the child's arguments. */
import type { SpawnOptions, StdioOptions } from 'node:child_process';
import { checkSignal } from '../../base/abort.js';
import { checkOptionNames } from '../../base/checks.js';
import { invalidArgument, TapfdError } from '../../base/errors.js';
import { checkFdSource, type FdSource, statOfFd } from '../../fd-socket/fd-source.js';

/** One entry of the `stdio` list of `child_process.spawn`. */
export type StdioEntry = Exclude<StdioOptions, string>[number];

/** What `child_process.spawn` takes (Node 24): a misspelt option must not be passed over, as Node does. */
const SPAWN_OPTIONS: readonly (keyof SpawnOptions)[] = [
  'cwd',
  'env',
  'argv0',
  'stdio',
  'detached',
  'uid',
  'gid',
  'serialization',
  'shell',
  'windowsVerbatimArguments',
  'windowsHide',
  'signal',
  'timeout',
  'killSignal',
];

/** A checked copy of the options of `child_process.spawn`, which the caller may change while `call` waits. */
export function copySpawnOptions(call: string, options: SpawnOptions): SpawnOptions {
  checkOptionNames(call, options, SPAWN_OPTIONS);
  checkSignal(options.signal);
  return typeof options.env === 'object' ? { ...options, env: { ...options.env } } : { ...options };
}

/** 0, 1 and 2 are the child's standard streams. libuv makes those three blocking, too, which a device must not be. */
const STANDARD_STREAMS = 3;

/** The caller's `stdio` as a list of at least the three standard streams. Whatever is appended starts at its length. */
export function standardStreams(stdio: SpawnOptions['stdio']): StdioEntry[] {
  const entries: StdioEntry[] = Array.isArray(stdio)
    ? [...stdio]
    : Array.from({ length: STANDARD_STREAMS }, () => stdio);
  while (entries.length < STANDARD_STREAMS) entries.push(undefined);
  return entries;
}

/** The numbers of `sources`, each checked to be open now. */
export function openFds(argument: string, sources: readonly FdSource[]): number[] {
  if (!Array.isArray(sources)) throw invalidArgument(argument, 'an array of descriptors or devices', sources);
  // Array.from() visits the holes of a list, which map() passes over.
  return Array.from(sources, (source, position) => openFd(`${argument}[${position}]`, source));
}

function openFd(argument: string, source: unknown): number {
  const fd = checkFdSource(argument, source);
  try {
    statOfFd(fd);
  } catch (cause) {
    throw new TapfdError('EBADF', `${argument}: descriptor ${fd} is not open in this process`, {
      errno: -9,
      syscall: 'fstat',
      argument,
      cause,
    });
  }
  return fd;
}

/**
 * `args` with each `{fd:N}` replaced by `firstFd + N`. Everything else that starts with `{fd:` is refused as a mistake;
 * `{fd}`, which shells use, is left alone.
 */
export function fillPlaceholders(args: readonly string[], count: number, firstFd: number): string[] {
  if (!Array.isArray(args)) throw invalidArgument('args', 'an array of strings', args);
  return Array.from(args, (arg: unknown, position) => {
    if (typeof arg !== 'string') throw invalidArgument(`args[${position}]`, 'a string', arg);
    return arg.replace(/\{fd:(?:(0|[1-9]\d*)\})?/g, (_placeholder, digits?: string) => {
      const index = Number(digits);
      if (index < count) return String(firstFd + index);
      const range = count === 0 ? 'no "{fd:" (fds is empty)' : `"{fd:N}" with N from 0 to ${count - 1}`;
      throw invalidArgument(`args[${position}]`, `a string with ${range}`, arg);
    });
  });
}
