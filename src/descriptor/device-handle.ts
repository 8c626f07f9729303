/**
 * src/descriptor/: one open descriptor, and what is known of its link. On top of links.
 *
 * Here: the descriptor's facts, the calls on it, and the one way in which it is given up.
 */
import { invalidState, isError, TapfdError } from '../base/errors.js';
import { inTurn } from '../base/in-turn.js';
import { nativeCall } from '../base/native-call.js';
import type { NativeLink } from '../base/native-links.js';
import type { DeviceKind, NativeFrameRules, NativeOpened, NativeQueue } from '../base/native-queue.js';
import { formatMac, parseMac } from '../links/mac.js';
import type { LinkWatch } from '../links/watch.js';
import { type DeviceFlags, deviceFlags, featureNames, IFF_DETACH_QUEUE } from './device-flags.js';
import { KernelDrops } from './kernel-drops.js';
import { LinkFollower, type LinkFollowerEvents } from './link-follower.js';
import { FrameObservers } from './observers.js';
import { type Offload, offloadMasks, offloadNames } from './offload.js';
import type { StreamSettings } from './settings.js';
import type { DeviceFilter, SharedState } from './shared-state.js';

/** What an opening call passes to the class that it creates. */
export interface OpenedDevice {
  opened: NativeOpened;
  /** The watch of the device's namespace; the device releases it. */
  watch: LinkWatch;
  settings: StreamSettings;
  /** Opens a further queue of this device. */
  openFurther: (watch: LinkWatch, name: string, index: number) => Promise<NativeOpened>;
  /** Destroys the device when it is aborted. */
  signal?: AbortSignal | undefined;
  /** Of a further queue: shared with the queue that opened it. */
  shared?: SharedState | undefined;
}

/** The limit of the length fields of IP. */
const MAX_PACKET_BYTES = 65535;

/** The devices open in this thread, held weakly so that the garbage collector can take them. */
const openDevices = new Set<WeakRef<DeviceHandle>>();

/** How many attached queues of this queue's device are open in this thread, including this one. */
export function attachedQueues(device: DeviceHandle): number {
  const isAttached = (other: DeviceHandle) =>
    !other.flags.detached && other.follower.followsSameAs(device.follower);
  return [...devicesOfThread()].filter(isAttached).length;
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
  readonly observers = new FrameObservers();
  /** Bytes of vnet header in front of the frames that JavaScript sees. */
  readonly vnetHeaderBytes: number;
  /** The kernel's, even if the library splits and joins. */
  readonly kernelVnetHeaderBytes: number;
  /** The driver's features by name. */
  readonly supported: readonly string[];
  readonly #openFurther: OpenedDevice['openFurther'];
  readonly #shared: SharedState;
  /** Pending native calls. Closing waits for them, because their descriptor must not become that of another file. */
  readonly #pending = new Set<Promise<unknown>>();
  #flags: number;
  #sendBufferBytes: number;
  /** Another program is being given the descriptor: the next owner is decided, though that may yet fail. */
  #claimed = false;
  #handedOff = false;
  #closed = false;
  readonly #kernelDrops: KernelDrops;
  readonly #self = new WeakRef<DeviceHandle>(this);

  constructor({ opened, watch, settings, openFurther, shared }: OpenedDevice, events: LinkFollowerEvents) {
    this.kind = opened.kind;
    this.queue = opened.queue;
    this.settings = settings;
    this.vnetHeaderBytes = settings.segment ? 0 : opened.vnetHeaderBytes;
    this.supported = featureNames(opened.features);
    this.#openFurther = openFurther;
    this.#flags = opened.flags;
    this.kernelVnetHeaderBytes = opened.vnetHeaderBytes;
    this.#sendBufferBytes = settings.sendBufferBytes;
    this.#shared = shared ?? { offloadMask: opened.offload, filters: new Set() };
    this.#kernelDrops = new KernelDrops(opened.kind, opened.link);
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
    return offloadNames(this.#shared.offloadMask);
  }

  /** Bytes of the longest frame that may be read (native/frames/io.h FrameRules::room). */
  get frameBytes(): number {
    const { packetInfo } = this.flags;
    const packet =
      this.#shared.offloadMask !== 0 && !this.settings.segment ? MAX_PACKET_BYTES : this.link.mtu;
    return packet + this.vnetHeaderBytes + (packetInfo ? 4 : 0) + (this.kind === 'tun' ? 0 : 22);
  }

  get filters(): ReadonlySet<DeviceFilter> {
    return this.#shared.filters;
  }

  /** Updates `filters` after a call has set or removed one. */
  noteFilter(filter: DeviceFilter, on: boolean): void {
    this.#shared.filters[on ? 'add' : 'delete'](filter);
  }

  get handedOff(): boolean {
    return this.#handedOff;
  }

  /** Updates `flags` after a call has set one. */
  noteFlag(flag: number, on: boolean): void {
    this.#flags = on ? this.#flags | flag : this.#flags & ~flag;
  }

  /**
   * Runs a native call on the open queue, behind those asked for before: what is noted after a call is then how things
   * are. {@link close} waits for it.
   */
  async control<T>(operation: string, call: (queue: NativeQueue) => Promise<T>): Promise<T> {
    this.assertOpen(operation);
    const running = inTurn(this, () =>
      nativeCall({ operation, interface: this.link.name }, () => call(this.queue)),
    );
    this.#pending.add(running);
    try {
      return await running;
    } finally {
      this.#pending.delete(running);
    }
  }

  /** Sets the link's MAC through the descriptor. It applies to the next written frame. */
  async setMac(mac: Uint8Array): Promise<void> {
    await this.control('setMac', async (queue) => {
      const { mac: before } = this.link;
      await queue.setMac(mac);
      // If the watch has reported another one in the meantime, it knows better.
      if (this.link.mac === before) this.follower.noteMac(formatMac(mac));
    });
  }

  /** The mask belongs to the device: the calls of all its queues stand in one line. */
  async setOffload(list: readonly Offload[]): Promise<Offload[]> {
    const shared = this.#shared;
    return inTurn(shared, async () => {
      shared.offloadMask = await this.control('setOffload', (queue) => queue.setOffload(offloadMasks(list)));
      for (const device of devicesOfThread()) if (device.#shared === shared) device.#setRules();
      return this.offload;
    });
  }

  /** Takes part in the device's traffic or not. The vnet header may have changed while it did not. */
  async setAttached(operation: string, attached: boolean): Promise<void> {
    this.#assertQueues(operation);
    await this.control(operation, (queue) => queue.setAttached(attached, this.kernelVnetHeaderBytes));
    this.noteFlag(IFF_DETACH_QUEUE, !attached);
  }

  async setSendBuffer(bytes: number): Promise<void> {
    await this.control('setSendBuffer', (queue) => queue.setSendBuffer(bytes));
    this.#sendBufferBytes = bytes;
  }

  /** Sets the descriptor up as before, after another program had it. The offload is the device's: see {@link setOffload}. */
  async restoreSettings(): Promise<void> {
    const restore = async (queue: NativeQueue) => {
      // Fails if the queue is attached; any other problem makes the calls below fail, too.
      await queue.setAttached(true, 0).catch(() => {});
      if (this.kernelVnetHeaderBytes > 0) await queue.setVnetHeaderBytes(this.kernelVnetHeaderBytes);
      await queue.setOffload([this.#shared.offloadMask]);
      await queue.setSendBuffer(this.#sendBufferBytes);
    };
    await inTurn(this.#shared, () => this.control('restoreSettings', restore));
  }

  /** Opens a further queue with the settings of the opening call. */
  async openFurther(): Promise<OpenedDevice> {
    this.#assertQueues('openQueue');
    const { name, index } = this.link;
    const watch = this.follower.shareWatch();
    try {
      const opened = await this.control('openQueue', () => this.#openFurtherOrGone(watch, name, index));
      const { settings } = this;
      return { opened, watch, settings, openFurther: this.#openFurther, shared: this.#shared };
    } catch (error) {
      watch.release();
      throw error;
    }
  }

  #assertQueues(operation: string): void {
    this.assertOpen(operation);
    if (this.kind === 'macvtap' || this.flags.multiQueue) return;
    const { name } = this.link;
    const facts = { interface: name };
    throw invalidState(`${operation}: ${name} has one queue; open it with multiQueue: true`, facts);
  }

  /** If our own descriptor is still alive, the index has not been reused by another device. */
  async #openFurtherOrGone(watch: LinkWatch, name: string, index: number): Promise<NativeOpened> {
    const outcome = await this.#openFurther(watch, name, index).catch((error: Error) => error);
    // If it cannot be asked, nothing says that it is gone.
    if (await this.follower.isAlive().catch(() => true)) {
      if (isError(outcome)) throw outcome;
      return outcome;
    }
    if (!isError(outcome)) await outcome.queue.close();
    throw this.goneError();
  }

  /** Frames that the kernel has dropped since the last call, or since the open. */
  async newKernelDrops(): Promise<number> {
    this.assertOpen('refreshStats');
    // By rtnetlink and not by the descriptor, so closing need not wait for it.
    const link = await nativeCall({ operation: 'refreshStats', interface: this.link.name }, () =>
      this.follower.readLink(),
    );
    return this.#kernelDrops.takeNew(link);
  }

  /** Frames that the kernel has dropped from the open until `link` was read. */
  kernelDropsUntil(link: Pick<NativeLink, 'stats'>): number {
    return this.#kernelDrops.sinceOpen(link);
  }

  /**
   * Reserves the descriptor for the program that is about to get it: until {@link unclaim} or {@link handOffWhenIdle}
   * nobody else can.
   */
  claim(): void {
    this.#assertUnclaimed();
    this.#claimed = true;
  }

  /** The other program did not get it. */
  unclaim(): void {
    this.#claimed = false;
  }

  /** Gives up the descriptor: returns its number, which will not be closed here. */
  handOff(): number {
    this.#assertUnclaimed();
    const { name } = this.link;
    if (this.#pending.size > 0) {
      throw invalidState(`handOff: a call on ${name} is pending; await it first`, { interface: name });
    }
    this.#giveUp();
    return this.queue.release();
  }

  /** As {@link handOff}, at once but for the number, which is released when the calls under way have ended. */
  async handOffWhenIdle(): Promise<number> {
    this.assertOpen('handOff');
    this.#giveUp();
    await this.#idle();
    return this.queue.release();
  }

  #assertUnclaimed(): void {
    this.assertOpen('handOff');
    const { name } = this.link;
    const why = this.queue.fd < 0 ? 'has no descriptor' : 'is being handed over to another program';
    if (this.#claimed || this.queue.fd < 0)
      throw invalidState(`handOff: ${name} ${why}`, { interface: name });
  }

  /** From here on no call begins. */
  #giveUp(): void {
    this.#handedOff = true;
    openDevices.delete(this.#self);
    this.follower.stop();
  }

  /** No call may begin any more, or one that is made again and again would be waited for without end. */
  async #idle(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }

  /** Waits for `pending`, closes the descriptor unless it was given up, and removes a link that the opening call made. */
  async close(pending: Promise<unknown>): Promise<void> {
    this.#closed = true;
    openDevices.delete(this.#self);
    await pending;
    await this.#idle();
    this.follower.stop();
    await this.follower.answered();
    await nativeCall({ operation: 'destroy', interface: this.link.name }, () => this.queue.close());
  }

  assertOpen(operation: string): void {
    if (this.#closed || this.#handedOff) throw this.closedError(operation);
  }

  closedError(operation: string): TapfdError {
    const { name } = this.link;
    const facts = { interface: name };
    if (!this.#handedOff) return new TapfdError('ERR_TAPFD_CLOSED', `${operation}: ${name} is closed`, facts);
    const message = `${operation}: the descriptor of ${name} was handed off`;
    return new TapfdError('ERR_TAPFD_HANDED_OFF', message, facts);
  }

  goneError(): TapfdError {
    const { name } = this.link;
    return new TapfdError('ERR_TAPFD_DEVICE_GONE', `${name} was deleted: open it again`, { interface: name });
  }

  /** Derives the rules for written frames from the current state of the link. */
  #setRules(): void {
    const { mtu, mac } = this.link;
    const rules: NativeFrameRules = {
      ethernet: this.kind !== 'tun',
      packetInfo: this.flags.packetInfo,
      vnetHeaderBytes: this.vnetHeaderBytes,
      mtu,
      superFrames: this.#shared.offloadMask !== 0 && !this.settings.segment,
      segment: this.settings.segment,
      joinsUdp: this.offload.includes('uso4'),
      down: this.kind !== 'macvtap' && !this.follower.up,
    };
    const checked = this.kind === 'macvtap' && this.settings.macCheck !== 'off' && mac !== undefined;
    this.queue.setRules(checked ? { ...rules, sourceMac: parseMac(mac) } : rules);
  }
}
