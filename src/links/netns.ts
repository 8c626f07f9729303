/** A network namespace that a program has created: it can run child processes, and goes when the program ends. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { onAbort } from '../base/abort.js';
import { TapfdError } from '../base/errors.js';
import { native, runtimeName } from '../base/native.js';
import { fromNative, nativeCall } from '../base/native-call.js';
import type { NamespaceHandle } from '../base/native-links.js';

/** The open ones: the path of one without a name must not end with the object that it was read from. */
const open = new Set<Netns>();

// Of the class's private fields, for this module.
let isOne: (value: object) => boolean;
let handleOf: (netns: Netns) => NamespaceHandle | undefined;
let startIn: (netns: Netns, parameters: Parameters<SpawnCall>) => ChildProcess;

/** What {@link Netns} is made of. */
interface NetnsParts {
  /** Undefined: it has no file. */
  name: string | undefined;
  path: string;
  handle: NamespaceHandle;
  /** A user namespace of its own owns it, in which the caller is root. */
  isUsers: boolean;
  /** Ends its life. */
  signal: AbortSignal | undefined;
}

/**
 * A network namespace made by {@link createNetns}. The program owns it: `close()` or `await using` removes it, and so
 * does the end of the process or the worker thread (a normal exit, `process.exit()`, an uncaught exception,
 * `worker.terminate()`). A signal that kills at once removes one without a name, too, and leaves the file of one that has
 * a name.
 */
export class Netns implements AsyncDisposable {
  /** Its name, as `ip netns` lists it. If it has none: its path, so that it always is what an option `netns` takes. */
  readonly name: string;
  /**
   * Its file, which other programs can open: `/run/netns/NAME`, or `/proc/PID/fd/N` if it has no name. It must not be used
   * after `close()`.
   */
  readonly path: string;
  /**
   * `child_process.spawn`, but the child is in the namespace from its start: the same parameters, result, events and
   * errors. Whatever the child becomes is inside: another user (`uid`, `gid`), a shell and all that it runs (`shell: true`).
   * `/sys` remains that of the caller's namespace, because mounts do not change.
   *
   * Needs CAP_SYS_ADMIN, also for a child that is to run as another user.
   *
   * @throws TapfdError, besides what `spawn` throws: `ERR_TAPFD_CLOSED` after `close()`; `EPERM`: the program was not run;
   * `ERR_TAPFD_UNSUPPORTED_PLATFORM` in a runtime that makes children in an unknown way: the child was killed.
   */
  readonly spawn: typeof spawn = new Proxy(spawn, {
    apply: (target, self, parameters) => this.#spawn(target, self, parameters, false),
  });
  readonly #handle: NamespaceHandle;
  readonly #hasFile: boolean;
  readonly #isUsers: boolean;
  readonly #forgetSignal: () => void;
  #removal: Promise<void> | undefined;

  static {
    isOne = (value) => #handle in value;
    startIn = (netns, parameters) => netns.#spawn(spawn, undefined, parameters, true);
    handleOf = (netns) => (netns.#removal === undefined ? netns.#handle : undefined);
  }

  /** @internal */
  constructor({ name, path, handle, isUsers, signal }: NetnsParts) {
    this.name = name ?? path;
    this.path = path;
    this.#handle = handle;
    this.#hasFile = name !== undefined;
    this.#isUsers = isUsers;
    // A failure is reported by close(), which then tries again.
    this.#forgetSignal = onAbort(signal, () => void this.close().catch(() => undefined));
    open.add(this);
  }

  #spawn(call: typeof spawn, self: unknown, given: unknown[], diesWithThread: boolean): ChildProcess {
    const read = readOut(given);
    const parameters = runtimeName() === 'deno' ? withFork(read, this.#isUsers) : read;
    return this.#start(() => Reflect.apply(call, self, parameters), diesWithThread);
  }

  #start(start: () => ChildProcess, diesWithThread: boolean): ChildProcess {
    const handle = openHandle('netns.spawn', this);
    const spawned: { child?: ChildProcess; error?: unknown } = {};
    // It starts children with vfork(2), on this thread.
    const withThread = runtimeName() === 'bun';
    let entered: number;
    try {
      const attempt = () => {
        try {
          spawned.child = start();
        } catch (error) {
          spawned.error = error;
        }
      };
      entered = native().startInside(handle, attempt, withThread, diesWithThread);
    } catch (error) {
      throw fromNative(error, { operation: 'netns.spawn' });
    }
    if (spawned.child === undefined) throw spawned.error;
    return insideOnly(spawned.child, withThread ? pidInside(spawned.child, handle) : entered);
  }

  /**
   * Unmounts and unlinks the file, if it has a name. The namespace itself, with its links, exists as long as a process, a
   * socket or a descriptor in it does. A second call does nothing. If the file is gone, or is that of another namespace,
   * nothing is changed.
   *
   * Needs CAP_SYS_ADMIN if it has a name.
   *
   * @throws TapfdError `ERR_TAPFD_NOT_A_NAMESPACE` if an ordinary file has its name by now, which is not touched; `EPERM`.
   */
  async close(): Promise<void> {
    this.#removal ??= this.#removeFile();
    try {
      await this.#removal;
    } catch (error) {
      this.#removal = undefined;
      throw error;
    }
    this.#forgetSignal();
    this.#handle.close();
    open.delete(this);
  }

  async #removeFile(): Promise<void> {
    if (!this.#hasFile) return;
    await nativeCall({ operation: 'netns.close', path: this.path }, () =>
      native().removeNamespace(this.path, this.#handle),
    );
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** As {@link Netns.spawn}, of a child that is killed when this thread ends, even by SIGKILL. */
export const spawnMortal = (netns: Netns, ...parameters: Parameters<SpawnCall>): ChildProcess =>
  startIn(netns, parameters);

type SpawnCall = (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess;

/** Whether a value is a namespace that this module has made. */
export function isNetns(value: unknown): value is Netns {
  return typeof value === 'object' && value !== null && isOne(value);
}

/**
 * The handle of a namespace for `use`: an option, or a call.
 *
 * @throws TapfdError `ERR_TAPFD_CLOSED` after `close()`.
 */
export function openHandle(use: string, netns: Netns): NamespaceHandle {
  const handle = handleOf(netns);
  if (handle !== undefined) return handle;
  throw new TapfdError('ERR_TAPFD_CLOSED', `${use}: the namespace ${netns.name} is closed; create it again`);
}

/**
 * The parameters with nothing left that runs the caller's code: what a getter or a `toString()` starts or opens must not be in
 * the namespace.
 */
function readOut(parameters: unknown[]): unknown[] {
  return parameters.map((parameter) => {
    if (Array.isArray(parameter)) return parameter.map(asText);
    if (typeof parameter !== 'object' || parameter === null) return parameter;
    const options: { env?: unknown; stdio?: unknown } = { ...parameter };
    const { env, stdio } = options;
    if (typeof env === 'object' && env !== null) options.env = readEnv(env);
    if (Array.isArray(stdio)) options.stdio = [...stdio];
    return options;
  });
}

const asText = (value: unknown): unknown =>
  typeof value === 'object' && value !== null ? `${value}` : value;

/** As `spawn` reads it: what is inherited, too. */
function readEnv(env: object): Record<string, string> {
  const read: Record<string, string> = {};
  for (const name in env) {
    const value: unknown = Reflect.get(env, name);
    if (value !== undefined) read[name] = `${value}`;
  }
  return read;
}

/**
 * Deno forks only if something is to happen before the program: becoming of the group that this process has, which in a
 * user namespace is that of root, the only one.
 */
function withFork(parameters: unknown[], isUsers: boolean): unknown[] {
  const [command, first, second] = parameters;
  const isFirst = typeof first === 'object' && first !== null && !Array.isArray(first);
  const given = isFirst ? first : second;
  // Deno refuses it.
  if (typeof (given ?? {}) !== 'object') return parameters;
  const options = { gid: isUsers ? 0 : process.getegid?.(), ...Object(given) };
  return isFirst ? [command, options] : [command, first ?? [], options];
}

/** The number of a child that is in the namespace, or has ended already; else 0. */
function pidInside({ pid }: ChildProcess, handle: NamespaceHandle): number | undefined {
  try {
    const [found, wanted] = [`${pid}/ns/net`, `self/fd/${handle.fd}`].map(
      (file) => statSync(`/proc/${file}`).ino,
    );
    /* c8 ignore next -- a Bun that starts children on another thread */
    return found === wanted ? pid : 0;
    /* c8 ignore next 3 -- whether a child that could not start is seen is chance */
  } catch {
    return pid;
  }
}

/** Never a child that runs elsewhere: a runtime may start children in another way than Node does. */
function insideOnly(child: ChildProcess, entered: number | undefined): ChildProcess {
  if (child.pid === undefined || child.pid === entered) return child;
  child.kill('SIGKILL');
  throw new TapfdError(
    'ERR_TAPFD_UNSUPPORTED_PLATFORM',
    'netns.spawn: this runtime starts children in another way, so that none can enter a namespace; the child was killed',
  );
}
