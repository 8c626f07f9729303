/**
 * src/descriptor/: one open descriptor, and what is known of its link. On top of links.
 *
 * Here: the descriptor's facts, the calls on it, and the one way in which it is given up.
 */

import { invalidState, TapfdError } from '../base/errors.js';
import { nativeCall } from '../base/native-call.js';
import type { NativeLink } from '../base/native-links.js';
import type { DeviceKind, NativeFrameRules, NativeOpened, NativeQueue } from '../base/native-queue.js';
import { formatMac, parseMac } from '../links/mac.js';
import type { LinkWatch } from '../links/watch.js';
import { type DeviceFlags, deviceFlags, featureNames } from './device-flags.js';
import { LinkFollower, type LinkFollowerEvents } from './link-follower.js';
import { type Offload, offloadMasks, offloadNames } from './offload.js';
import type { StreamSettings } from './settings.js';

/** What an opening call hands to the class it makes. */
export interface OpenedDevice {
  opened: NativeOpened;
  /** The watch of the device's namespace; the device releases it. */
  watch: LinkWatch;
  settings: StreamSettings;
  /** Opens a further queue of this device. */
  openFurther: (watch: LinkWatch, name: string, index: number) => Promise<NativeOpened>;
  /** Of a further queue: shared with the one that opened it. */
  offload?: SharedOffload;
}

/** What a device is granted (TUN_F_*), which is the same for all its queues. */
export interface SharedOffload {
  mask: number;
}

/** What fits the length fields of IP. */
const LARGEST_PACKET = 65535;

/** The devices open in this thread. Held weakly: one that the program forgets is the garbage collector's. */
const openDevices = new Set<WeakRef<DeviceHandle>>();

/** How many attached queues of this one's device are open in this thread, this one among them. */
export function attachedQueues(device: DeviceHandle): number {
  let count = 0;
  for (const other of devicesOfThread()) {
    if (!other.flags.detached && other.follower.followsSameAs(device.follower)) count += 1;
  }
  return count;
}

function* devicesOfThread(): Generator<DeviceHandle> {
  for (const reference of openDevices) {
    const device = reference.deref();
    if (device === undefined) openDevices.delete(reference);
    else yield device;
  }
}

export class DeviceHandle {
  readonly kind: DeviceKind;
  readonly queue: NativeQueue;
  readonly settings: StreamSettings;
  readonly follower: LinkFollower;
  /** Bytes of vnet header in front of the frames that JavaScript sees. */
  readonly vnetHeaderBytes: number;
  /** The driver's features by name. */
  readonly supported: readonly string[];
  readonly #openFurther: OpenedDevice['openFurther'];
  readonly #offload: SharedOffload;
  /** Native calls under way; closing waits for them, for their descriptor must not become another file's. */
  readonly #underWay = new Set<Promise<unknown>>();
  #flags: number;
  /** As the kernel has it, also where the library splits and joins. */
  readonly #kernelVnetHeaderBytes: number;
  #sendBufferBytes: number;
  #handedOff = false;
  #closed = false;
  #kernelDrops: number;
  readonly #self = new WeakRef<DeviceHandle>(this);

  constructor({ opened, watch, settings, openFurther, offload }: OpenedDevice, events: LinkFollowerEvents) {
    this.kind = opened.kind;
    this.queue = opened.queue;
    this.settings = settings;
    this.vnetHeaderBytes = settings.segment ? 0 : opened.vnetHeaderBytes;
    this.supported = featureNames(opened.features);
    this.#openFurther = openFurther;
    this.#flags = opened.flags;
    this.#kernelVnetHeaderBytes = opened.vnetHeaderBytes;
    this.#sendBufferBytes = settings.sendBufferBytes;
    this.#offload = offload ?? { mask: opened.offload };
    this.#kernelDrops = kernelDrops(opened.kind, opened.link);
    this.follower = new LinkFollower(opened, watch, {
      ...events,
      changed: (change) => {
        this.#setRules();
        events.changed(change);
      },
    });
    this.#setRules();
    openDevices.add(this.#self);
  }

  get link(): NativeLink {
    return this.follower.link;
  }

  get flags(): DeviceFlags {
    return deviceFlags(this.#flags);
  }

  get offload(): Offload[] {
    return offloadNames(this.#offload.mask);
  }

  /** Bytes of the longest frame that may be read (native/frames/io.h FrameRules::room). */
  get frameBytes(): number {
    const { packetInfo } = this.flags;
    const packet = this.#offload.mask !== 0 && !this.settings.segment ? LARGEST_PACKET : this.link.mtu;
    return packet + this.vnetHeaderBytes + (packetInfo ? 4 : 0) + (this.kind === 'tun' ? 0 : 22);
  }

  get handedOff(): boolean {
    return this.#handedOff;
  }

  /** Keeps `flags` true to what a call has set. */
  noteFlag(flag: number, on: boolean): void {
    this.#flags = on ? this.#flags | flag : this.#flags & ~flag;
  }

  /** The MAC that a call has set, so that the frames written next are checked against it. */
  noteMac(mac: Uint8Array): void {
    this.follower.linkChanged({ ...this.link, mac: formatMac(mac) });
  }

  /** Runs a native call on the open queue; {@link close} waits for it. */
  async control<T>(operation: string, call: (queue: NativeQueue) => Promise<T>): Promise<T> {
    this.assertOpen(operation);
    const running = nativeCall({ operation, interface: this.link.name }, () => call(this.queue));
    this.#underWay.add(running);
    try {
      return await running;
    } finally {
      this.#underWay.delete(running);
    }
  }

  async setOffload(list: readonly Offload[]): Promise<Offload[]> {
    this.#offload.mask = await this.control('setOffload', (queue) => queue.setOffload(offloadMasks(list)));
    for (const device of devicesOfThread()) if (device.#offload === this.#offload) device.#setRules();
    return this.offload;
  }

  async setSendBuffer(bytes: number): Promise<void> {
    await this.control('setSendBuffer', (queue) => queue.setSendBuffer(bytes));
    this.#sendBufferBytes = bytes;
  }

  /** Sets up the descriptor as it is known here, after another program had it. */
  async restoreSettings(): Promise<void> {
    await this.control('restoreSettings', async (queue) => {
      // Refused of a queue that is attached; what else may be wrong, the calls below meet as well.
      await queue.setAttached(true).catch(() => {});
      if (this.#kernelVnetHeaderBytes > 0) await queue.setVnetHeaderBytes(this.#kernelVnetHeaderBytes);
      await queue.setOffload([this.#offload.mask]);
      await queue.setSendBuffer(this.#sendBufferBytes);
    });
  }

  /** Opens a further queue as the opening call did. */
  async openFurther(): Promise<OpenedDevice> {
    this.assertOpen('openQueue');
    const { name, index } = this.link;
    if (this.kind !== 'macvtap' && !this.flags.multiQueue) {
      throw invalidState(`openQueue: ${name} has one queue; open it with multiQueue: true`, {
        interface: name,
      });
    }
    const watch = this.follower.shareWatch();
    try {
      const opened = await this.control('openQueue', () => this.#openFurtherOrGone(watch, name, index));
      const { settings } = this;
      return { opened, watch, settings, openFurther: this.#openFurther, offload: this.#offload };
    } catch (error) {
      watch.release();
      throw error;
    }
  }

  /** Our own descriptor, still alive, proves that no stranger has taken the index of a device that was deleted. */
  async #openFurtherOrGone(watch: LinkWatch, name: string, index: number): Promise<NativeOpened> {
    const outcome = await this.#openFurther(watch, name, index).catch((error: Error) => error);
    if (await this.follower.isAlive()) {
      if (outcome instanceof Error) throw outcome;
      return outcome;
    }
    if (!(outcome instanceof Error)) await outcome.queue.close();
    throw this.goneError();
  }

  /** Frames the kernel has dropped since this was asked last (at first: since the open). */
  async newKernelDrops(): Promise<number> {
    this.assertOpen('refreshStats');
    // By rtnetlink and not by the descriptor, so nobody needs to wait for it.
    const link = await nativeCall({ operation: 'refreshStats', interface: this.link.name }, () =>
      this.follower.readLink(),
    );
    const dropped = kernelDrops(this.kind, link);
    const since = dropped - this.#kernelDrops;
    this.#kernelDrops = dropped;
    return since;
  }

  /** Gives the descriptor away: its number, which is closed by nobody here. */
  handOff(): number {
    this.assertOpen('handOff');
    const { name } = this.link;
    if (this.#underWay.size > 0) {
      throw invalidState(`handOff: a call on ${name} is under way; await it first`, { interface: name });
    }
    this.#handedOff = true;
    openDevices.delete(this.#self);
    this.follower.stop();
    return this.queue.release();
  }

  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  /**
   * Closes the descriptor, if it was not given away, and removes the link if the opening call made it; last things are
   * waited for.
   */
  async close(lastThings: Promise<unknown>): Promise<void> {
    this.#closed = true;
    openDevices.delete(this.#self);
    await lastThings;
    await this.idle();
    this.follower.stop();
    await nativeCall({ operation: 'destroy', interface: this.link.name }, () => this.queue.close());
  }

  assertOpen(operation: string): void {
    if (this.#closed || this.#handedOff) throw this.closedError(operation);
  }

  closedError(operation: string): TapfdError {
    const { name } = this.link;
    return this.#handedOff
      ? new TapfdError('ERR_TAPFD_HANDED_OFF', `${operation}: the descriptor of ${name} was handed off`, {
          interface: name,
        })
      : new TapfdError('ERR_TAPFD_CLOSED', `${operation}: ${name} is closed`, { interface: name });
  }

  goneError(): TapfdError {
    const { name } = this.link;
    return new TapfdError('ERR_TAPFD_DEVICE_GONE', `${name} was deleted: open it anew`, { interface: name });
  }

  /** Says what a written frame must be, from the link as it is now. */
  #setRules(): void {
    const { mtu, mac } = this.link;
    const rules: NativeFrameRules = {
      ethernet: this.kind !== 'tun',
      packetInfo: this.flags.packetInfo,
      vnetHeaderBytes: this.vnetHeaderBytes,
      mtu,
      superFrames: this.#offload.mask !== 0 && !this.settings.segment,
      segment: this.settings.segment,
      joinsUdp: this.offload.includes('uso4'),
      down: this.kind !== 'macvtap' && !this.follower.up,
    };
    const checked = this.kind === 'macvtap' && this.settings.macCheck !== 'off' && mac !== undefined;
    this.queue.setRules(checked ? { ...rules, sourceMac: parseMac(mac) } : rules);
  }
}

/** Frames the kernel dropped on their way to the reader: tun counts them as sent, macvtap as received by the link. */
function kernelDrops(kind: DeviceKind, link: NativeLink): number {
  return kind === 'macvtap' ? link.stats.rxDropped : link.stats.txDropped;
}
