/** What the addon offers for TUN, TAP and macvtap descriptors. */
import type { NamespaceHandle, NativeIpPrefix, NativeLink } from './native-links.js';

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

/**
 * Gets the frames of a burst: [offset, length] pairs in `spans`, `count` of them, lead to the frames in `slab`. Both are
 * undefined when no frame was read.
 *
 * @param last - Stands in place of the last frame when that did not fit the slab.
 * @param error - A negative errno, or 0.
 * @param faults - Malformed super-frames that were discarded.
 */
export type NativeBurstCallback = (
  slab: Buffer,
  spans: Uint32Array,
  count: number,
  last: Buffer | undefined,
  error: number,
  faults: number,
) => void;

/** One open descriptor. Calls that return promises run off the JavaScript thread. */
export interface NativeQueue {
  /** -1 after close() or release(). Who asks may share it: from then on it is not relied on to be non-blocking. */
  readonly fd: number;
  /** Whether frames of a batch are joined: with `segment`, until the kernel has refused some. */
  readonly joins: boolean;
  /** What is called for each burst of at most `limit` frames. Held weakly while the queue does not poll: keep it. */
  onBurst(callback: NativeBurstCallback, limit: number): void;
  /** What {@link awaitWritable} calls. Held weakly while the queue does not poll: keep it. */
  onWritable(callback: () => void): void;
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
