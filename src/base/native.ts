/**
 * src/base/: the foundation: the addon's interface, errors with their remedies, argument checks, starting a process.
 * Imports no other folder.
 *
 * Here: the only file that loads the addon, and the functions that the addon exports. They expect checked input:
 * callers check arguments first (src/base/checks.ts) and wrap failures (src/base/native-call.ts).
 */
import { dirname, join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isError, TapfdError } from './errors.js';
import type { NativeFdBundle, NativeFdSocket, NativeListenSettings } from './native-fd-socket.js';
import type {
  NamespaceHandle,
  NativeIpPrefix,
  NativeLink,
  NativeLinkAddress,
  NativeLinkChanges,
  NativeLinkEvent,
  NativeLinkList,
  NativeLinkRef,
  NativeLinkWatch,
  NativeNewLink,
  NativeShape,
} from './native-links.js';
import type {
  NativeAdoptSettings,
  NativeMacvtapSettings,
  NativeOpened,
  NativeQueueSettings,
  NativeTapSettings,
} from './native-queue.js';

/** The native functions. Those that may wait on the kernel return promises and run off the JavaScript thread. */
export interface NativeAddon {
  /** `undefined`: the namespace of the calling thread; a number: an open fd, borrowed, and duplicated before the call returns. */
  openNamespace(netns: NamespaceHandle | string | number | undefined): Promise<NamespaceHandle>;
  /**
   * The namespace that the TUN or TAP behind another process's descriptor is in now. Rejects where this process may not copy
   * the descriptor (pidfd_getfd(2), Linux 5.6) or has no CAP_NET_ADMIN in that namespace.
   */
  openNamespaceOfDevice(pid: number, fd: number): Promise<NamespaceHandle>;
  /**
   * Creates a namespace, and binds it to `path` if there is one, in a directory that is created, mounted and shared as by
   * `ip netns`.
   */
  createNamespace(path: string): Promise<NamespaceHandle>;
  /**
   * Creates one without a file: nothing but the handle holds it. `owned`: in the user namespace of that namespace, or with `true` in a new one where the
   * caller is root.
   */
  createNamespace(path: undefined, owned: NamespaceHandle | boolean): Promise<NamespaceHandle>;
  /** Sets `net/…` below /proc/sys. */
  writeSysctl(ns: NamespaceHandle, name: string, value: string): Promise<void>;
  /** Limits what a link sends, by a token bucket; undefined removes that. */
  shapeLink(ns: NamespaceHandle, link: string, shape: NativeShape | undefined): Promise<void>;
  /**
   * Calls `start`; a child that it forks is in the namespace from its start. Returns the pid of the last one that is, or 0.
   * Throws if the child could not enter it: it has run nothing. `start` must not throw.
   *
   * `withThread`: for a runtime that does not fork(2). This thread itself is in the namespace during the call; returns 0.
   * `diesWithThread`: a child that is forked is killed when this thread ends, even by SIGKILL.
   */
  startInside(ns: NamespaceHandle, start: () => void, withThread: boolean, diesWithThread: boolean): number;
  /** Does nothing if `path` is no longer that of `ns`. */
  removeNamespace(path: string, ns: NamespaceHandle): Promise<void>;
  /**
   * Waits for pending calls, closes every queue, and removes the links and namespaces that this environment created.
   * Synchronous, for an `'exit'` listener; the addon is unusable afterwards.
   */
  endEnvironment(): void;
  /**
   * A thread polls, not the runtime's libuv: once, before anything is polled. `schedule` makes the event loop call the
   * returned function once: in its next turn, or in one to which `keepsAlive` false does not keep it alive.
   */
  pollByThread(schedule: (keepsAlive: boolean) => void): () => void;

  listLinks(ns: NamespaceHandle): Promise<NativeLinkList>;
  getLink(ns: NamespaceHandle, link: NativeLinkRef): Promise<NativeLink>;
  createLink(ns: NamespaceHandle, link: NativeNewLink): Promise<NativeLink>;
  setLink(ns: NamespaceHandle, link: NativeLinkRef, changes: NativeLinkChanges): Promise<void>;
  removeLink(ns: NamespaceHandle, link: NativeLinkRef): Promise<void>;
  addAddress(ns: NamespaceHandle, link: NativeLinkRef, prefix: NativeIpPrefix): Promise<void>;
  removeAddress(ns: NamespaceHandle, link: NativeLinkRef, prefix: NativeIpPrefix): Promise<void>;
  listAddresses(ns: NamespaceHandle, link: NativeLinkRef): Promise<NativeLinkAddress[]>;
  /** Calls `onEvents` once per wake-up, with all events that are there. */
  watchLinks(
    ns: NamespaceHandle,
    options: { receiveBufferBytes?: number },
    onEvents: (events: NativeLinkEvent[]) => void,
  ): Promise<NativeLinkWatch>;

  /** Once for each environment: where slabs come from, and where bursts note their frames. */
  useBurstMemory(takeSlab: (leastBytes: number) => Buffer, spans: Uint32Array): void;
  openTap(ns: NamespaceHandle, settings: NativeTapSettings): Promise<NativeOpened>;
  /** A further queue of the device with this index. */
  openTapQueue(ns: NamespaceHandle, settings: NativeTapSettings, index: number): Promise<NativeOpened>;
  openMacvtap(ns: NamespaceHandle, settings: NativeMacvtapSettings): Promise<NativeOpened>;
  openMacvtapQueue(ns: NamespaceHandle, settings: NativeQueueSettings, index: number): Promise<NativeOpened>;
  /** Changes nothing but O_NONBLOCK and FD_CLOEXEC. The descriptor remains the caller's until the promise is fulfilled. */
  adoptQueue(ns: NamespaceHandle, fd: number, settings: NativeAdoptSettings): Promise<NativeOpened>;

  /** Rejects with EAGAIN if the server's backlog is full. */
  connectUnix(address: string): Promise<NativeFdSocket>;
  listenUnix(settings: NativeListenSettings): Promise<NativeFdSocket>;
  unixPair(): [NativeFdSocket, NativeFdSocket];
  /** The descriptor remains the caller's if this throws. */
  adoptUnix(fd: number): NativeFdSocket;
  /** All or none, with numbers from `least` on (default 0). */
  duplicateFds(fds: readonly number[], least?: number): NativeFdBundle;
  /** Closes a descriptor that belongs to the caller. */
  closeFd(fd: number): Promise<void>;
}

/** Where the addon of a package in `root` may be: a build first (a developer's, or one compiled on purpose), then the prebuild. */
const places = (system: string, libc: string): string[][] => [
  ['module_root', 'build', 'Release', 'bindings'],
  ['module_root', 'native', 'build', 'Release', 'bindings'],
  ['module_root', 'prebuilds', system, `tapfd.${libc}.node`],
];

let addon: NativeAddon | undefined;

/** What runs this program. */
export function runtimeName(): 'node' | 'bun' | 'deno' {
  if (process.versions.bun !== undefined) return 'bun';
  return process.versions.deno === undefined ? 'node' : 'deno';
}

/**
 * The addon, loaded at the first call and not at import, so that the module loads on every system, in every runtime and
 * in every bundle.
 *
 * @throws TapfdError `ERR_TAPFD_UNSUPPORTED_PLATFORM` on anything but Linux; `ERR_TAPFD_UNSUPPORTED_RUNTIME` in a
 *   version of Bun or Deno that is too old; `ERR_TAPFD_ADDON_NOT_FOUND` if there is neither a build nor a prebuild; `ERR_TAPFD_ADDON_NOT_LOADED` if there
 *   is one that does not load.
 */
export function native(): NativeAddon {
  if (addon === undefined) {
    const loaded = load();
    // A normal exit runs the addon's own clean-up; process.exit() and an uncaught exception only emit this event.
    process.on('exit', () => loaded.endEnvironment());
    addon = loaded;
  }
  return addon;
}

function load(): NativeAddon {
  if (process.platform !== 'linux') {
    throw new TapfdError(
      'ERR_TAPFD_UNSUPPORTED_PLATFORM',
      `TUN, TAP and macvtap descriptors are Linux interfaces; this is ${process.platform}`,
    );
  }
  const polledByThread = isPolledByThread();
  // A bundler that makes CommonJS leaves none; then nothing is found, which the error explains.
  const { url = pathToFileURL(`${process.cwd()}/bundle`).href }: { url?: string } = import.meta;
  const root = join(dirname(fileURLToPath(url)), '../..');
  const system = `linux-${process.arch}`;
  // Both are CommonJS. `import` would run Node's parser for their exports: 10 ms at the start of every program. An imported
  // createRequire() would be replaced by webpack, with a function that finds neither.
  const require = process.getBuiltinModule('node:module').createRequire(url);
  let libc = '';
  let loaded: NativeAddon;
  try {
    const bindings: typeof import('bindings') = require('bindings');
    const { familySync }: typeof import('detect-libc') = require('detect-libc');
    // `null` if it cannot be determined; then there is no prebuild for it either.
    libc = `${familySync()}`;
    loaded = bindings({
      bindings: 'tapfd.node',
      module_root: root,
      try: places(system, libc),
    }) as NativeAddon;
  } catch (cause) {
    if (isNotFound(cause)) throw notFound(`${system} ${libc}`.trim(), root, cause);
    const remedy = isRefused(cause) ? 'start node with --allow-addons' : compileIn(root);
    throw new TapfdError(
      'ERR_TAPFD_ADDON_NOT_LOADED',
      `the addon for ${system} (${libc}) does not load here; ${remedy} (${cause})`,
      { path: root, cause },
    );
  }
  // What fails here is the system's doing, and may work the next time.
  if (polledByThread) takeTurns(loaded);
  return loaded;
}

/** Runtimes whose libuv cannot poll (docs/runtimes.md), with the first version of each on which the tests pass. */
const POLLED_BY_THREAD = { bun: [1, 4], deno: [2, 9] } as const;

/**
 * Whether this runtime is one of them.
 *
 * @throws TapfdError `ERR_TAPFD_UNSUPPORTED_RUNTIME` for a version of it whose Node-API would crash instead.
 */
function isPolledByThread(): boolean {
  const runtime = runtimeName();
  if (runtime === 'node') return false;
  const version = `${process.versions[runtime]}`;
  const [major, minor] = POLLED_BY_THREAD[runtime];
  const [ofMajor, ofMinor] = version.split('.').map(Number);
  if (Number(ofMajor) > major || (ofMajor === major && Number(ofMinor) >= minor)) return true;
  throw new TapfdError(
    'ERR_TAPFD_UNSUPPORTED_RUNTIME',
    `this is ${runtime} ${version}, whose Node-API may crash with the addon: use ${runtime} ${major}.${minor} or later`,
  );
}

/** The event loop's next turn, for what polls by a thread. */
function takeTurns(loaded: NativeAddon): void {
  const turn = loaded.pollByThread((keepsAlive) => {
    // Node and Deno run no immediate that is unref'd before something else wakes the loop.
    /* c8 ignore next 2 -- whether frames are left over for a device that keeps nothing alive is a matter of time */
    if (keepsAlive) setImmediate(turn);
    else setTimeout(turn, 0).unref();
  });
}

/** `bindings` found no file (it lists its `tries`), or was not found itself. */
function isNotFound(error: unknown): boolean {
  return isError(error) && ('tries' in error || ('code' in error && error.code === 'MODULE_NOT_FOUND'));
}

/** Node's permission model lets no addon load (`node --permission`). */
function isRefused(error: unknown): boolean {
  return isError(error) && 'code' in error && error.code === 'ERR_DLOPEN_DISABLED';
}

function notFound(system: string, root: string, cause: unknown): TapfdError {
  return new TapfdError(
    'ERR_TAPFD_ADDON_NOT_FOUND',
    `there is no addon for ${system}: ${cause}. ` +
      'If this program is a bundle, keep tapfd out of it: mark it as external, and install it beside (docs/bundlers.md). ' +
      `If the package has no addon for this machine, ${compileIn(root)}`,
    { path: root, cause },
  );
}

const compileIn = (root: string): string =>
  `compile it, with a C++ compiler and make: npx node-gyp rebuild --directory=${join(root, 'native')}`;
