/** Network namespaces of one's own: made, used for child processes, and gone with the program. */
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
 * A network namespace made by {@link createNetns}. It is the program's own: `close()` or `await using` removes it,
 * and what is left when the process or the worker thread ends (by itself, by `process.exit()`, by an uncaught
 * exception, by `worker.terminate()`) is removed then. Only a signal that kills at once leaves it, as any file.
 */
export class Netns implements AsyncDisposable {
  /** Its name, as `ip netns` lists it; what the option `netns` of every function takes. */
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
   * the same options and result. `/sys` is that of the caller's namespace, as nsenter leaves the mounts alone.
   *
   * Needs CAP_SYS_ADMIN.
   *
   * @throws TapfdError `ENOENT` when the namespace is removed, or another one stands in its place. A program that does not exist is nsenter's exit status
   * 127; a missing nsenter is the `'error'` event, as with any spawn.
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
      throw new TapfdError('ENOENT', `spawn: the namespace ${this.name} is gone (ENOENT); create it anew`, {
        path: this.path,
      });
    }
    return spawn('nsenter', [`--net=${this.path}`, '--', command, ...args], options);
  }

  /**
   * Unmounts and unlinks the file. The namespace itself, with its links, lives on while a process, a socket or a
   * descriptor in it does. A second call does nothing; one that finds the file gone, or another namespace in its
   * place, leaves everything as it is.
   *
   * Needs CAP_SYS_ADMIN.
   *
   * @throws TapfdError `ERR_TAPFD_NOT_A_NAMESPACE` when an ordinary file stands there by now, which is left; `EPERM`.
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
 * Makes a network namespace, as `ip netns add` does: a file in `/run/netns` that other programs can use too. In it is
 * only `lo`, and that is down, as the kernel makes it (`ip netns add` leaves it so too): `links.set('lo', {up: true,
 * netns})`. The calling process stays in its own.
 *
 * Needs CAP_SYS_ADMIN and write access to `/run/netns`.
 *
 * @param name - Default: one that is not in use, `tapfd-PID-…`.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `EEXIST` when there is one of that name, or what is left of it;
 * `EPERM`, `EACCES`; `ENOSPC` when `user.max_net_namespaces` is reached.
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
