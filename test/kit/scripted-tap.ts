/** A TAP whose queue reads and writes what a test wants: no kernel stands behind it. */
import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Tap } from 'tapfd';
import type { NativeBurstCallback, NativeFrameRules, NativeQueue } from '#lib/base/native-queue.js';
import type { OpenedDevice } from '#lib/descriptor/device-handle.js';
import type { SharedState } from '#lib/descriptor/shared-state.js';
import type { LinkSubscriber } from '#lib/links/watch.js';

const LINK = {
  name: 'tap9',
  index: 9,
  mac: '02:00:00:00:00:09',
  mtu: 1500,
  carrier: true,
  flags: 1,
  stats: { txDropped: 0, rxDropped: 0 },
};

/** What the addon reads to: four frames of ten bytes. */
export const slab = Buffer.from('0'.repeat(10) + '1'.repeat(10) + '2'.repeat(10) + '3'.repeat(10));
export const spans = Uint32Array.of(0, 10, 10, 10, 20, 10, 30, 10);

/** A Tap without a descriptor; `burst` is what the addon would call. */
export function tapOverNothing(flags = 0x5002, shared?: SharedState) {
  let burst: NativeBurstCallback = () => undefined;
  let subscriber: LinkSubscriber | undefined;
  let outcome = 0;
  /** How many more frames the kernel would take before it is full. */
  let room = Number.POSITIVE_INFINITY;
  const written: Uint8Array[] = [];
  const released: string[] = [];
  const memories: Uint8Array[] = [];
  let reading = false;
  let deleted = false;
  let asked: Promise<void> = Promise.resolve();
  let writable: () => void = () => undefined;
  let own: { slab: Buffer; spans: Uint32Array } | undefined;
  let pending: Buffer[] = [];
  const rules: NativeFrameRules[] = [];
  const watch = {
    ns: {},
    subscribe: (_index: number, follower: LinkSubscriber) => {
      subscriber = follower;
    },
    unsubscribe: () => undefined,
    // There is no link whose counters could be read.
    share: () => {
      throw new Error('no link');
    },
    release: () => undefined,
  };
  const queue = {
    fd: 99,
    // What else could be asked of it cannot be asked.
    getInterface: async () => {
      await asked;
      throw Object.assign(new Error('asked'), deleted && { errno: -77 });
    },
    onBurst: (callback: NativeBurstCallback) => {
      burst = callback;
    },
    onWritable: (callback: () => void) => {
      writable = callback;
    },
    setRules: (next: NativeFrameRules) => rules.push(next),
    setOffload: ([mask]: number[]) => nextTurn(mask),
    startReading: () => {
      reading = true;
    },
    stopReading: () => {
      reading = false;
    },
    write: (frame: Uint8Array) => {
      if (outcome !== 0) return outcome;
      if (room === 0) return -constants.errno.EAGAIN;
      room -= 1;
      written.push(frame);
      return 0;
    },
    close: async () => {
      released.push('closed');
    },
    release: () => {
      released.push('released');
      return 99;
    },
    takePending: () => pending.splice(0),
    useOwnMemory: (slab?: Buffer, spans?: Uint32Array) => {
      own = slab && spans && { slab, spans };
      if (slab) memories.push(slab);
    },
    awaitWritable: () => undefined,
    // Takes all but one frame, which is lost, or none at all.
    writeFrames: (...[, , , first, end, report]: Parameters<NativeQueue['writeFrames']>) => {
      const lost = [1, -constants.errno.EIO, 1, 60];
      report.set(outcome === 0 ? [end, end - first - 1, 60, ...lost] : [first, 0, 0, 0]);
      return outcome;
    },
  };
  const device = {
    opened: { kind: 'tap', flags, features: 0, offload: 0, vnetHeaderBytes: 10, link: LINK, queue },
    watch,
    shared,
    settings: {
      readableHighWaterMark: 4,
      writableHighWaterMark: 4,
      copyFrames: false,
      segment: true,
      macCheck: 'off',
    },
    openFurther: () => Promise.reject(new Error('no')),
  };
  const tap = Tap.wrap(device as unknown as OpenedDevice);
  return {
    tap,
    rules,
    burst: (count: number, last: Buffer | undefined, error: number, faults: number) =>
      burst(slab, spans, count, last, error, faults),
    /** How many frames a burst may have now. */
    burstRoom: (): number => (own ? own.spans.length / 2 : 64),
    /** A burst of these frames, in the memory that the addon would use; with `spills`, the last one did not fit it. */
    arrive: (frames: readonly Buffer[], spills = false) => {
      const memory = own ?? { slab: Buffer.alloc(4096), spans: new Uint32Array(2 * frames.length) };
      let position = 0;
      frames.forEach((frame, i) => {
        memory.slab.set(frame, position);
        memory.spans.set([position, frame.length], 2 * i);
        position += (frame.length + 7) & ~7;
      });
      burst(memory.slab, memory.spans, frames.length, spills ? frames.at(-1) : undefined, 0, 0);
    },
    /** The rest of a super-frame, which the addon has read. */
    hold: (frames: Buffer[]) => {
      pending = frames;
    },
    /** Whether the next burst would come by itself. */
    isReading: () => reading,
    resume: () => writable(),
    /** A doubt is raised about the device, and the descriptor answers after `then`. */
    doubt: (then: Promise<void>) => {
      asked = then;
      subscriber?.eventsLost();
    },
    /** The device is deleted, and a doubt is raised about it. */
    deleteDevice: () => {
      deleted = true;
      subscriber?.eventsLost();
    },
    answer: (next: number) => {
      outcome = next;
    },
    /** Single frames that the kernel took. */
    written,
    /** What was done to the descriptor: `released` to a next owner, `closed` with what else there is of the device. */
    released,
    /** What batches were to be read to. */
    memories,
    /** The kernel takes `frames` more, and is full then. */
    takes: (frames: number) => {
      room = frames;
      writable();
    },
  };
}
