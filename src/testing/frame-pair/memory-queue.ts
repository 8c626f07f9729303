/** One end of a frame pair: what the addon's queue is to a device with a descriptor. */
import { constants } from 'node:os';
import type { NamespaceHandle } from '../../base/native-links.js';
import type {
  DeviceKind,
  NativeBurstCallback,
  NativeFrameRules,
  NativeQueue,
} from '../../base/native-queue.js';
import { formatMac } from '../../links/mac.js';
import { faultOf } from './frame-check.js';
import type { MemoryLink } from './memory-link.js';
import { PollAlive } from './poll-alive.js';

const { EAGAIN, EINVAL, EIO, ENOTSUP } = constants.errno;
/** `asm-generic/errno.h`; Node has no name for it. */
const EBADFD = 77;

/** What the ends of a pair have in common. */
export interface MemoryQueueSettings {
  kind: DeviceKind;
  /** IFF_* as TUNGETIFF reports them. */
  flags: number;
  /** How many frames may wait for the reader. */
  queueFrames: number;
  /** With a full queue: the writer waits, or the frame is lost. */
  whenFull: 'wait' | 'drop';
}

export class MemoryQueue implements NativeQueue {
  /** There is none. */
  readonly fd = -1;
  readonly joins = false;
  readonly #settings: MemoryQueueSettings;
  readonly #link: MemoryLink;
  readonly #alive = new PollAlive();
  #peer!: MemoryQueue;
  #rules: NativeFrameRules | undefined;
  #inbox: Buffer[] = [];
  #burst: NativeBurstCallback | undefined;
  #burstLimit = 1;
  #onWritable: (() => void) | undefined;
  #memory: { slab: Uint8Array; spans: Uint32Array } | undefined;
  #reading = false;
  #awaitsRoom = false;
  #attached = true;
  #scheduled = false;
  #closed = false;
  /** MACs that reach the reader; undefined: all. */
  #filter: { macs: Set<string>; allMulticast: boolean } | undefined;

  constructor(settings: MemoryQueueSettings, link: MemoryLink) {
    this.#settings = settings;
    this.#link = link;
    link.onChange = () => this.#peer.roomAhead();
  }

  join(peer: MemoryQueue): void {
    this.#peer = peer;
  }

  onBurst(callback: NativeBurstCallback, limit: number): void {
    this.#burst = callback;
    this.#burstLimit = limit;
  }

  onWritable(callback: () => void): void {
    this.#onWritable = callback;
  }

  setRules(rules: NativeFrameRules): void {
    this.#rules = rules;
  }

  startReading(): void {
    this.#reading = true;
    this.#poll();
  }

  stopReading(): void {
    this.#reading = false;
    this.#poll();
  }

  write(frame: Uint8Array): number {
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
    const fault = this.#rules && faultOf(this.#rules, bytes);
    if (fault !== undefined) return fault;
    if (this.#closed || this.#link.isGone) return -EBADFD;
    if (!this.#link.isUp) return this.#settings.kind === 'macvtap' ? 0 : -EIO;
    return this.#peer.offer(bytes);
  }

  writeFrames(
    _batch: number,
    slab: Uint8Array,
    spans: Uint32Array,
    first: number,
    end: number,
    report: Int32Array,
    accepted?: Uint8Array,
  ): number {
    let outcome = 0;
    let next = first;
    let bytes = 0;
    for (; next < end; next++) {
      const at = spans[2 * next];
      const length = spans[2 * next + 1];
      outcome = this.write(slab.subarray(at, at + length));
      if (outcome !== 0) break;
      bytes += length;
      if (accepted !== undefined) accepted[next] = 1;
    }
    report.set([next, next - first, bytes, 0]);
    return outcome;
  }

  /** Takes a frame of the other end. Returns the outcome of the write. */
  offer(frame: Buffer): number {
    if (!this.#receives || !this.#passes(frame)) return 0;
    if (this.#inbox.length >= this.#settings.queueFrames) {
      if (this.#settings.whenFull === 'wait') return -EAGAIN;
      this.#link.countDrop(this.#settings.kind);
      return 0;
    }
    const copy = Buffer.allocUnsafeSlow(frame.length);
    frame.copy(copy);
    this.#inbox.push(copy);
    this.#schedule();
    return 0;
  }

  useOwnMemory(slab?: Uint8Array, spans?: Uint32Array): void {
    this.#memory = slab && spans && { slab, spans };
  }

  awaitWritable(): void {
    this.#awaitsRoom = true;
    this.#poll();
  }

  ref(): void {
    this.#alive.ref();
  }

  unref(): void {
    this.#alive.unref();
  }

  /* c8 ignore start -- asked for where a descriptor was opened, or is handed off */
  release(): number {
    return -1;
  }

  takePending(): Buffer[] {
    return [];
  }

  keepLink(): void {}

  keepChanges(): void {}
  /* c8 ignore stop */

  async close(): Promise<void> {
    this.#closed = true;
    this.#inbox = [];
    this.#reading = false;
    this.#awaitsRoom = false;
    this.#alive.set(false);
    this.#link.removeQuietly();
    this.#peer.roomAhead();
  }

  async getInterface(): Promise<{ name: string; flags: number }> {
    if (this.#closed || this.#link.isGone) throw failure('ioctl TUNGETIFF', EBADFD);
    return { name: this.#link.now.name, flags: this.#settings.flags };
  }

  async getMac(): Promise<string> {
    /* c8 ignore next -- a TUN has none, and is not asked */
    return this.#link.now.mac ?? '';
  }

  async getNamespace(): Promise<NamespaceHandle> {
    return this.#link.namespace;
  }

  async findOtherQueues(): Promise<{ device: number; holders: [] }> {
    return { device: 0, holders: [] };
  }

  async setMac(mac: Uint8Array): Promise<void> {
    this.#link.change({ mac: formatMac(mac) });
  }

  async setPersist(): Promise<void> {}

  async setOwner(): Promise<void> {}

  async setGroup(): Promise<void> {}

  async setCarrier(carrier: boolean): Promise<void> {
    this.#link.change({ carrier });
  }

  async setOffload(): Promise<number> {
    return 0;
  }

  async setSendBuffer(): Promise<void> {}

  /* c8 ignore next 5 -- asked for where a descriptor was opened, or comes back */
  async setVnetHeaderBytes(): Promise<void> {}

  async setVnetHeader(): Promise<number> {
    return this.#settings.flags;
  }

  async setTxFilter(allMulticast: boolean, addresses: Uint8Array[]): Promise<void> {
    const macs = new Set(addresses.map((mac) => formatMac(mac)));
    this.#filter = macs.size > 0 || allMulticast ? { macs, allMulticast } : undefined;
  }

  async setAttached(attached: boolean): Promise<void> {
    if (attached === this.#attached) throw failure('ioctl TUNSETQUEUE', EINVAL);
    this.#attached = attached;
    this.#peer.roomAhead();
  }

  setSteeringProgram(): Promise<void> {
    return Promise.reject(failure('ioctl TUNSETSTEERINGEBPF', ENOTSUP));
  }

  setFilterProgram(): Promise<void> {
    return Promise.reject(failure('ioctl TUNSETFILTEREBPF', ENOTSUP));
  }

  /** The other end takes frames again, or will never: who waits is told in a turn of its own. */
  roomAhead(): void {
    if (this.#awaitsRoom) this.#schedule();
  }

  #passes(frame: Buffer): boolean {
    if (this.#filter === undefined) return true;
    const { macs, allMulticast } = this.#filter;
    return (allMulticast && (frame[0] & 1) === 1) || macs.has(formatMac(frame.subarray(0, 6)));
  }

  #poll(): void {
    this.#alive.set(this.#reading || this.#awaitsRoom);
    this.#schedule();
  }

  #schedule(): void {
    const hasWork = (this.#reading && this.#inbox.length > 0) || (this.#awaitsRoom && this.#hasRoom());
    if (this.#scheduled || !hasWork) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  #hasRoom(): boolean {
    return this.#peer.takes;
  }

  /** What nobody can receive is lost on the wire, as behind a cable that is not plugged in. */
  get #receives(): boolean {
    return !this.#closed && !this.#link.isGone && this.#link.isUp && this.#attached;
  }

  /** Whether a frame would not have to wait. */
  get takes(): boolean {
    const { queueFrames, whenFull } = this.#settings;
    return whenFull === 'drop' || this.#inbox.length < queueFrames || !this.#receives;
  }

  #turn(): void {
    this.#scheduled = false;
    if (this.#awaitsRoom && this.#hasRoom()) {
      this.#awaitsRoom = false;
      this.#onWritable?.();
    }
    if (this.#reading && this.#inbox.length > 0) this.#deliver();
    this.#poll();
  }

  #deliver(): void {
    const frames = this.#takeBurst();
    const bytes = frames.reduce((sum, { length }) => sum + length, 0);
    const { slab, spans } = this.#memory ?? {
      slab: Buffer.allocUnsafeSlow(bytes),
      spans: new Uint32Array(2 * frames.length),
    };
    let at = 0;
    for (const [place, frame] of frames.entries()) {
      slab.set(frame, at);
      spans.set([at, frame.length], 2 * place);
      at += frame.length;
    }
    this.#peer.roomAhead();
    const memory = Buffer.from(slab.buffer, slab.byteOffset, slab.length);
    this.#burst?.(memory, spans, frames.length, undefined, 0, 0);
  }

  /** As many as the reader takes at once, and as its memory has room for. */
  #takeBurst(): Buffer[] {
    const limit = this.#memory ? this.#memory.spans.length / 2 : this.#burstLimit;
    const room = this.#memory?.slab.length ?? Number.POSITIVE_INFINITY;
    let bytes = 0;
    let count = 0;
    while (count < Math.min(limit, this.#inbox.length) && bytes + this.#inbox[count].length <= room) {
      bytes += this.#inbox[count].length;
      count += 1;
    }
    return this.#inbox.splice(0, count);
  }
}

/** As the addon makes them. */
function failure(syscall: string, errno: number): Error {
  return Object.assign(new Error(syscall), { errno: -errno, syscall });
}
