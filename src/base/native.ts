/**
 * The one file that loads the addon, and the types of what it offers. Everything here is checked input: callers
 * validate first (src/base/checks.ts) and wrap failures (src/base/errors.ts).
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TapfdError } from './errors.js';

// Both are CommonJS. `import` would first start Node's parser for what they export: 10 ms at the start of each program.
const require = createRequire(import.meta.url);
const bindings: typeof import('bindings') = require('bindings');
const { familySync }: typeof import('detect-libc') = require('detect-libc');

/** A network namespace held open. `key` is equal for two handles of one namespace, and only then. */
export interface NamespaceHandle {
  readonly key: string;
  close(): void;
}

/** Numbers as the kernel gives them; src/links/links.ts makes the public `Link` from it. */
export interface NativeLink {
  index: number;
  name: string;
  kind: string;
  portKind: string;
  mac?: string;
  mtu: number;
  flags: number;
  operState: number;
  carrier: boolean;
  master: number;
  lower: number;
  lowerNetnsId?: number;
  txQueueLength: number;
  txQueues: number;
  rxQueues: number;
  alias: string;
  stats: {
    rxPackets: number;
    txPackets: number;
    rxBytes: number;
    txBytes: number;
    rxErrors: number;
    txErrors: number;
    rxDropped: number;
    txDropped: number;
    multicast: number;
  };
  tun?: {
    type: number;
    owner?: number;
    group?: number;
    packetInfo: boolean;
    vnetHeader: boolean;
    persist: boolean;
    multiQueue: boolean;
    queues: number;
    disabledQueues: number;
  };
  macvlanMode?: number;
  vxlan?: { id: number; remote: string; local: string; port: number; learning: boolean };
}

/** MACs are 6-byte Buffers, made by `parseMac`. `master: 0` takes the link out of its bridge. */
export interface NativeLinkChanges {
  name?: string;
  mac?: Uint8Array;
  mtu?: number;
  up?: boolean;
  master?: number;
  allMulticast?: boolean;
  promiscuous?: boolean;
  txQueueLength?: number;
  alias?: string;
  carrier?: boolean;
  macvlanMode?: number;
  /** Move the link there. */
  netns?: NamespaceHandle;
}

export interface NativeNewLink {
  kind: string;
  name: string;
  changes: NativeLinkChanges;
  lower?: number;
  macvlanMode?: number;
  sourceMacs?: Uint8Array[];
  txQueues?: number;
  rxQueues?: number;
  peerName?: string;
  peerMac?: Uint8Array;
  peerNetns?: NamespaceHandle;
  vxlanId?: number;
  vxlanRemote?: string;
  vxlanLocal?: string;
  vxlanPort?: number;
  vxlanLearning?: boolean;
  bridgeStp?: boolean;
  bridgeVlanFiltering?: boolean;
  bridgeMulticastSnooping?: boolean;
  bridgeForwardDelayCs?: number;
  bridgeAgeingTimeCs?: number;
}

/** `address` has 4 or 16 bytes. */
export interface NativeIpPrefix {
  address: Uint8Array;
  prefixLength: number;
  noDad: boolean;
}

/** A link given by its index or by its name. */
export type NativeLinkRef = number | string;

/** A netlink socket that hears of every change to a namespace's links, polled on this environment's loop. */
export interface NativeLinkWatch {
  /** Keep (or do not keep) the process alive while watching; a new watch does not. */
  ref(): void;
  unref(): void;
  close(): void;
}

export type NativeLinkEvent =
  | { type: 'change'; link: NativeLink }
  | { type: 'remove'; link: NativeLink }
  /** The kernel had more to say than the socket could hold: events were lost, list the links anew. */
  | { type: 'overrun' }
  | { type: 'error'; error: Error };

/** What a queue needs whatever its kind. */
export interface NativeQueueSettings {
  /** 0: no vnet header. */
  vnetHeaderBytes: number;
  multiQueue: boolean;
  sendBufferBytes: number;
  /** TUN_F_* masks to try, best first. None where a further queue is opened: it leaves them as they are. */
  offloadMasks: number[];
}

export interface NativeLinkSettings {
  mac?: Uint8Array | undefined;
  mtu?: number | undefined;
  allMulticast?: boolean | undefined;
  bridge?: string | undefined;
  addresses: NativeIpPrefix[];
  up: boolean;
}

export interface NativeTapSettings {
  tun: boolean;
  name: string;
  devicePath: string;
  exclusive: boolean;
  packetInfo: boolean;
  napi: boolean;
  napiFrags: boolean;
  owner?: number | undefined;
  group?: number | undefined;
  carrier?: boolean | undefined;
  queue: NativeQueueSettings;
  link: NativeLinkSettings;
}

export interface NativeMacvtapSettings {
  name: string;
  lower?: string | undefined;
  mode?: number | undefined;
  guestMac?: Uint8Array | undefined;
  queue: NativeQueueSettings;
  link: NativeLinkSettings;
}

export interface NativeAdoptSettings {
  vnetHeader?: boolean | undefined;
  guestMac?: Uint8Array | undefined;
}

/** What a descriptor is. */
export type DeviceKind = 'tap' | 'tun' | 'macvtap';

export interface NativeOpened {
  kind: DeviceKind;
  /** IFF_* of TUNGETIFF. */
  flags: number;
  /** IFF_* of TUNGETFEATURES. */
  features: number;
  /** TUN_F_* granted. */
  offload: number;
  vnetHeaderBytes: number;
  link: NativeLink;
  queue: NativeQueue;
}

/** What a written frame must be; native/frames/io.h `FrameRules`. */
export interface NativeFrameRules {
  ethernet: boolean;
  packetInfo: boolean;
  vnetHeaderBytes: number;
  mtu: number;
  /** Offloads were granted: frames of 64 KiB are to be expected. */
  superFrames: boolean;
  /** Split and join in the library: frames are as JavaScript sees them, without the kernel's vnet header. */
  segment: boolean;
  /** With `segment`: the kernel takes joined UDP datagrams. */
  joinsUdp: boolean;
  /** A TUN or TAP that is down: what has to wait is lost (EIO), as all else is. */
  down: boolean;
  /** The only source MAC allowed; absent: any. */
  sourceMac?: Uint8Array;
}

/** native/frames/io.h `FrameFault`. A negative outcome of a write is -errno, 0 is success. */
export const FrameFault = { tooShort: 1, tooLong: 2, invalid: 3, sourceMac: 4 } as const;

/** A queue of the same device, by one of its descriptors. */
export interface NativeQueueHolder {
  pid: number;
  fd: number;
  command: string;
}

export interface NativeOtherQueues {
  /** `st_rdev` of the descriptor. */
  device: number;
  /** In processes that the caller may look into. */
  holders: NativeQueueHolder[];
}

/** One open descriptor. Calls that return promises run off the JavaScript thread. */
export interface NativeQueue {
  /** -1 after close() or release(). Who asks may share it: from then on it is not relied on to be non-blocking. */
  readonly fd: number;
  /** Whether frames of a batch are joined: with `segment`, until the kernel has refused some. */
  readonly joins: boolean;
  /**
   * The callbacks are held weakly while the queue does not poll: keep them.
   *
   * @param onBurst - frames read: `count` pairs in the shared spans, `last` in place of the last of them when it did
   *   not fit the slab, `error` negative errno or 0, `faults` malformed super-frames thrown away.
   */
  listen(
    onBurst: (count: number, last: Buffer | undefined, error: number, faults: number) => void,
    onWritable: () => void,
    burstLimit: number,
  ): void;
  setRules(rules: NativeFrameRules): void;
  startReading(): void;
  stopReading(): void;
  write(frame: Uint8Array): number;
  /**
   * Writes the frames from `first` to `end` of the spans until one is not taken.
   *
   * @param report - gets the number of that frame (`end` when all were taken), the bytes of those taken, how many of
   *   those before it were lost, and the negative errno of that.
   * @returns 0 when all were taken, else the outcome of that frame.
   */
  writeFrames(slab: Uint8Array, spans: Uint32Array, first: number, end: number, report: Int32Array): number;
  /**
   * From now on each burst is read into this memory, from its beginning, so reading is to be stopped while it is in use;
   * without arguments, into the shared slab again.
   */
  useOwnMemory(slab?: Uint8Array, spans?: Uint32Array): void;
  /** Calls onWritable once, when the kernel takes frames again. */
  awaitWritable(): void;
  ref(): void;
  unref(): void;
  /** Stops polling and gives the descriptor away: its number, which nobody closes any more. */
  release(): number;
  /** With `segment`: the frames still to come of a super-frame that was read, which would be lost after release(). */
  takePending(): Buffer[];
  /** Leaves a link that the opening call made in place when the queue is closed. */
  keepLink(): void;
  /** Stops polling at once, and closes off the JavaScript thread: the descriptor, and a link that the open made. */
  close(): Promise<void>;
  /** TUNGETIFF: rejects with EBADFD or ENOLINK when the device is gone. */
  getInterface(): Promise<{ name: string; flags: number }>;
  getMac(): Promise<string>;
  getNamespace(): Promise<NamespaceHandle>;
  /**
   * The device's queues that are not this environment's. `tunName` is the interface's name, empty for macvtap; of TUN and
   * TAP in other namespaces those of the same name are found too.
   */
  findOtherQueues(tunName: string): Promise<NativeOtherQueues>;
  setMac(mac: Uint8Array): Promise<void>;
  setPersist(persist: boolean): Promise<void>;
  setOwner(uid: number): Promise<void>;
  setGroup(gid: number): Promise<void>;
  setCarrier(carrier: boolean): Promise<void>;
  setOffload(masks: number[]): Promise<number>;
  setSendBuffer(bytes: number): Promise<void>;
  setVnetHeaderBytes(bytes: number): Promise<void>;
  setTxFilter(allMulticast: boolean, addresses: Uint8Array[]): Promise<void>;
  setAttached(attached: boolean): Promise<void>;
  setSteeringProgram(program: number | Uint8Array | null): Promise<void>;
  setFilterProgram(program: number | Uint8Array | null): Promise<void>;
}

/** Who was at the other end of a socket when the connection was made, as this process's namespaces number them. */
export interface NativePeer {
  pid: number;
  uid: number;
  gid: number;
}

/** Descriptors that this process owns and nobody has taken. The garbage collector closes them too. */
export interface NativeFdBundle {
  /** Empty after take() or close(). */
  readonly numbers: number[];
  /** The numbers, which nobody here closes any more. */
  take(): number[];
  /** Off the JavaScript thread. */
  close(): Promise<void>;
}

/** What came with one NativeFdSocket.receive(). */
export interface NativeReceived {
  bytes: number;
  /** Nothing will come any more. */
  end: boolean;
  /** The message has descriptors that this process cannot take now; none was kept, and the message stays. */
  truncated: boolean;
  fds?: NativeFdBundle;
}

/** A unix stream socket, connected or listening. Nothing waits; only what is awaited is polled. */
export interface NativeFdSocket {
  /** -1 after close(). */
  readonly fd: number;
  readonly peer: NativePeer;
  /** Fills the buffer from its beginning; a negative errno when nothing came. */
  receive(buffer: Uint8Array): NativeReceived | number;
  /** @returns Bytes taken; with them `fds` are sent, all of them. Or a negative errno. */
  send(data: Uint8Array, offset: number, fds: readonly number[]): number;
  /** A connection, or undefined where nobody waits. */
  accept(): NativeFdSocket | undefined;
  /** Nothing will be sent any more. */
  shutdown(): void;
  /** Calls back once. A second await takes the place of the first. */
  awaitReadable(callback: () => void): void;
  awaitWritable(callback: () => void): void;
  stopAwaitingReadable(): void;
  /** Whether what is awaited keeps the process alive; at first it does. */
  ref(): void;
  unref(): void;
  /** Stops polling at once, without calling back; closes off the JavaScript thread, and removes the socket file. */
  close(): Promise<void>;
}

export interface NativeListenSettings {
  /** A path, or NUL and an abstract name. */
  address: string;
  /** The absolute path; empty for an abstract name. */
  path: string;
  backlog: number;
  /** Of the socket file; absent: all permissions but the umask's. */
  mode?: number;
}

/** The native functions. Those that may wait on the kernel return promises and run off the JavaScript thread. */
export interface NativeAddon {
  /** `undefined`: the namespace of the calling thread; a number: an open fd, borrowed and duplicated at once. */
  openNamespace(netns: string | number | undefined): Promise<NamespaceHandle>;
  /** Makes a namespace and binds it to `path` (whose directory is made, mounted and shared as `ip netns` does). */
  createNamespace(path: string): Promise<NamespaceHandle>;
  /** Nothing happens when `ns` does not stand there any more. */
  removeNamespace(path: string, ns: NamespaceHandle): Promise<void>;
  /**
   * Waits for the calls under way, closes every queue, and removes the links and namespaces that this environment made.
   * In place, for an `'exit'` listener; nothing works after it.
   */
  endEnvironment(): void;

  listLinks(ns: NamespaceHandle): Promise<NativeLink[]>;
  getLink(ns: NamespaceHandle, link: NativeLinkRef): Promise<NativeLink>;
  createLink(ns: NamespaceHandle, link: NativeNewLink): Promise<NativeLink>;
  setLink(ns: NamespaceHandle, link: NativeLinkRef, changes: NativeLinkChanges): Promise<void>;
  removeLink(ns: NamespaceHandle, link: NativeLinkRef): Promise<void>;
  addAddress(ns: NamespaceHandle, link: NativeLinkRef, prefix: NativeIpPrefix): Promise<void>;
  removeAddress(ns: NamespaceHandle, link: NativeLinkRef, prefix: NativeIpPrefix): Promise<void>;
  listAddresses(ns: NamespaceHandle, link: NativeLinkRef): Promise<NativeIpPrefix[]>;
  /** `onEvents` gets every event of one wake-up in one call. */
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
  /** The descriptor stays the caller's until the promise is fulfilled. */
  adoptQueue(ns: NamespaceHandle, fd: number, settings: NativeAdoptSettings): Promise<NativeOpened>;

  /** Rejects with EAGAIN where as many wait to be accepted as the server allows. */
  connectUnix(address: string): Promise<NativeFdSocket>;
  listenUnix(settings: NativeListenSettings): Promise<NativeFdSocket>;
  unixPair(): [NativeFdSocket, NativeFdSocket];
  /** The descriptor stays the caller's when this throws. */
  adoptUnix(fd: number): NativeFdSocket;
  /** All or none. */
  duplicateFds(fds: readonly number[]): NativeFdBundle;
}

let addon: NativeAddon | undefined;

/**
 * The addon, loaded at the first call and not at import, so that the module loads on every system.
 *
 * @throws TapfdError `ERR_TAPFD_UNSUPPORTED_PLATFORM` on anything but Linux; `ERR_TAPFD_ADDON_NOT_LOADED` where neither a
 *   build nor a prebuild loads.
 */
export function native(): NativeAddon {
  if (addon === undefined) {
    const loaded = load();
    // An orderly end runs the addon's own clean-up, but process.exit() and an uncaught exception run only this event.
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
  const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
  const system = `linux-${process.arch}`;
  // `null` where it cannot be told: then there is no such prebuild either.
  const libc = `${familySync()}`;
  try {
    return bindings({
      bindings: 'tapfd.node',
      module_root: root,
      // A build in the tree first (a developer's, or one compiled from source on purpose), then the tarball's prebuild.
      try: [
        ['module_root', 'build', 'Release', 'bindings'],
        ['module_root', 'prebuilds', system, `tapfd.${libc}.node`],
      ],
    }) as NativeAddon;
  } catch (cause) {
    throw new TapfdError(
      'ERR_TAPFD_ADDON_NOT_LOADED',
      `no addon for ${system} (${libc}) loads here; compile it, with a C++ compiler and make: ` +
        `npx node-gyp rebuild --directory=${root} (${cause})`,
      { path: root, cause },
    );
  }
}
