/** The addon's types for TUN, TAP and macvtap descriptors. */
import type { NamespaceHandle, NativeIpPrefix, NativeLink } from './native-links.js';

/** Settings of a queue of any kind. */
export interface NativeQueueSettings {
  /** 0: no vnet header. */
  vnetHeaderBytes: number;
  multiQueue: boolean;
  /** Absent: the maximum, or on a device that others have open, whatever it is. */
  sendBufferBytes?: number | undefined;
  /** TUN_F_* masks to try, best first. Empty for a further queue, which leaves the device's offloads unchanged. */
  offloadMasks: number[];
}

export interface NativeLinkSettings {
  mac?: Uint8Array | undefined;
  mtu?: number | undefined;
  allMulticast?: boolean | undefined;
  bridge?: string | undefined;
  ipv6?: boolean | undefined;
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
  segment: boolean;
  expect?: NativeExpectation | undefined;
  guestMac?: Uint8Array | undefined;
}

/** What a descriptor is taken for; what is absent may be anything. */
export interface NativeExpectation {
  kind?: DeviceKind | undefined;
  name?: string | undefined;
  mac?: Uint8Array | undefined;
  vnetHeaderBytes?: number | undefined;
}

/** The kind of device behind a descriptor. */
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

/** The rules for written frames; native/frames/io.h `FrameRules`. */
export interface NativeFrameRules {
  ethernet: boolean;
  packetInfo: boolean;
  vnetHeaderBytes: number;
  mtu: number;
  /** Offloads were granted: expect frames of up to 64 KiB. */
  superFrames: boolean;
  /** Split and join in the library: frames are as JavaScript sees them, without the kernel's vnet header. */
  segment: boolean;
  /** With `segment`: the kernel accepts joined UDP datagrams. */
  joinsUdp: boolean;
  /** A TUN or TAP that is down: frames that would have to wait are lost (EIO), as all others are. */
  down: boolean;
  /** The only source MAC allowed; absent: any. */
  sourceMac?: Uint8Array;
}

/** native/frames/io.h `FrameFault`. A negative outcome of a write is -errno, 0 is success. */
export const FrameFault = { tooShort: 1, tooLong: 2, invalid: 3, sourceMac: 4 } as const;

/** A queue of the same device, found by one of its descriptors. */
export interface NativeQueueHolder {
  pid: number;
  fd: number;
  command: string;
  /** False: a TUN or TAP of the same name, and whether it is in the same namespace could not be asked. */
  certain: boolean;
}

export interface NativeOtherQueues {
  /** `st_rdev` of the descriptor. */
  device: number;
  /** In processes that the caller may inspect. */
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
  /** -1 after close() or release(). Its reader may share it, so from then on it is not assumed to be non-blocking. */
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
   * Writes the frames from `first` to `end` of the spans until one is not taken. When the kernel cannot take more yet
   * (EAGAIN), the call is to be repeated: where frames are joined, some behind the first may have been taken.
   *
   * @param batch - A number for these frames, the same in each call for them.
   * @param report - Gets the number of that frame (`end` when all were taken), how many frames this call wrote and their
   *   bytes, and for how many reasons it lost others; for each reason the outcome, how many frames, and the length of the
   *   first. None of them is the frame whose outcome is returned.
   * @param accepted - Gets a 1 at the number of each frame that this call wrote. Has a byte for each frame up to `end`.
   * @returns 0 when all were taken, else the outcome of that frame.
   */
  writeFrames(
    batch: number,
    slab: Uint8Array,
    spans: Uint32Array,
    first: number,
    end: number,
    report: Int32Array,
    accepted?: Uint8Array,
  ): number;
  /**
   * From now on each burst is read into this memory, from its beginning, so reading is to be stopped while it is in use;
   * without arguments, into the shared slab again.
   */
  useOwnMemory(slab?: Uint8Array, spans?: Uint32Array): void;
  /** Calls onWritable once, when the kernel takes frames again. */
  awaitWritable(): void;
  ref(): void;
  unref(): void;
  /** Stops polling and gives up the descriptor: returns its number, which the addon will not close. */
  release(): number;
  /** With `segment`: the remaining frames of a super-frame that was read, which would be lost after release(). */
  takePending(): Buffer[];
  /** Makes the link that the opening call created outlive the queue. */
  keepLink(): void;
  /** What the opening call changed on a device that was there remains. Until then, close() takes it back. */
  keepChanges(): void;
  /** Stops polling before it returns. Closes the descriptor, and removes a link that the open created, off the JavaScript thread. */
  close(): Promise<void>;
  /** TUNGETIFF: rejects with EBADFD or ENOLINK when the device is gone. */
  getInterface(): Promise<{ name: string; flags: number }>;
  getMac(): Promise<string>;
  getNamespace(): Promise<NamespaceHandle>;
  /**
   * The device's queues outside this environment. `tunName` is the interface's name, empty for macvtap.
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
  /** macvtap only. Returns IFF_* as {@link NativeOpened.flags}. */
  setVnetHeader(on: boolean): Promise<number>;
  setTxFilter(allMulticast: boolean, addresses: Uint8Array[]): Promise<void>;
  /** With `vnetHeaderBytes` not 0, attaching is refused if the device has another size. */
  setAttached(attached: boolean, vnetHeaderBytes: number): Promise<void>;
  setSteeringProgram(program: number | Uint8Array | null): Promise<void>;
  setFilterProgram(program: number | Uint8Array | null): Promise<void>;
}
