/** Network namespaces that a program creates: they can run child processes, and go when the program ends. */
import {
  type ChildProcess,
  type ChildProcessWithoutNullStreams,
  type SpawnOptions,
  type SpawnOptionsWithoutStdio,
  spawn,
} from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { refuseSurplus } from '../base/checks.js';
import { TapfdError } from '../base/errors.js';
import { native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import type { NamespaceHandle } from '../base/native-links.js';
import { checkNetnsName, NETNS_DIRECTORY } from './namespace.js';

/**
 * A network namespace made by {@link createNetns}. The program owns it: `close()` or `await using` removes it, and so
 * does the end of the process or the worker thread (a normal exit, `process.exit()`, an uncaught exception,
 * `worker.terminate()`). Only a signal that kills at once leaves its file behind.
 */
export class Netns implements AsyncDisposable {
  /** Its name, as `ip netns` lists it and as every option `netns` takes it. */
  readonly name: string;
  /** Its file: `/run/netns/NAME`. */
  readonly path: string;
  readonly #handle: NamespaceHandle;
  #removal: Promise<void> | undefined;

  /** @internal */
  constructor(name: string, path: string, handle: NamespaceHandle) {
    this.name = name;
    this.path = path;
    this.#handle = handle;
  }

  /**
   * Starts a program inside the namespace: `child_process.spawn` through `nsenter --net=PATH --` (util-linux), with
   * the same options and result. `/sys` remains that of the caller's namespace, as nsenter does not change mounts.
   *
   * Needs CAP_SYS_ADMIN.
   *
   * @throws TapfdError `ENOENT` if the namespace was removed, or its file is that of another one. If the program does not
   * exist, nsenter exits with status 127. If nsenter is missing, the child emits `'error'`, as with any spawn.
   */
  spawn(
    command: string,
    args?: readonly string[],
    options?: SpawnOptionsWithoutStdio,
  ): ChildProcessWithoutNullStreams;
  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess;
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    const there = statSync(this.path, { bigint: true, throwIfNoEntry: false });
    if (there === undefined || `${there.dev}:${there.ino}` !== this.#handle.key) {
      throw new TapfdError('ENOENT', `spawn: the namespace ${this.name} is gone (ENOENT); create it again`, {
        path: this.path,
      });
    }
    return spawn('nsenter', [`--net=${this.path}`, '--', command, ...args], options);
  }

  /**
   * Unmounts and unlinks the file. The namespace itself, with its links, exists as long as a process, a socket or a
   * descriptor in it does. A second call does nothing. If the file is gone, or is that of another namespace, nothing is
   * changed.
   *
   * Needs CAP_SYS_ADMIN.
   *
   * @throws TapfdError `ERR_TAPFD_NOT_A_NAMESPACE` if an ordinary file has its name by now, which is not touched; `EPERM`.
   */
  async close(): Promise<void> {
    this.#removal ??= nativeCall({ operation: 'netns.close', path: this.path }, () =>
      native().removeNamespace(this.path, this.#handle),
    );
    try {
      await this.#removal;
    } catch (error) {
      this.#removal = undefined;
      throw error;
    }
    this.#handle.close();
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Creates a network namespace, as `ip netns add` does: a file in `/run/netns` that other programs can use, too. Its only
 * link is `lo`, which is down at first: set it up with `links.set('lo', { up: true, netns })`. The calling process stays
 * in its own namespace.
 *
 * Needs CAP_SYS_ADMIN and write access to `/run/netns`.
 *
 * @param name - Default: an unused name, `tapfd-PID-…`.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `EEXIST` if the name is in use, or its file was left behind;
 * `EPERM`, `EACCES`; `ENOSPC` if `user.max_net_namespaces` is reached.
 */
export async function createNetns(name?: string): Promise<Netns> {
  refuseSurplus('createNetns', arguments, 1);
  const chosen =
    name === undefined
      ? `tapfd-${process.pid}-${randomBytes(6).toString('hex')}`
      : checkNetnsName('name', name);
  const path = `${NETNS_DIRECTORY}/${chosen}`;
  const handle = await nativeCall({ operation: 'createNetns', path }, () => native().createNamespace(path));
  return new Netns(chosen, path, handle);
}
