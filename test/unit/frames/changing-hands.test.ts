/**
 * Reading that changes hands in the middle of bursts, at random places: from every way of reading to every other, frames
 * come in order, none is lost and none comes twice.
 */
import { Readable, Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { type FrameBatch, forward, type Tap } from 'tapfd';
import { tapOverNothing } from '../../kit/scripted-tap.js';

/** The same numbers for the same seed (mulberry32). */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function frameOf(number: number): Buffer {
  const frame = Buffer.alloc(12, number & 0xff);
  frame.writeUInt32BE(number);
  return frame;
}

/** What reads: takes frames until `note` says that it is enough, then gives the reading up and calls `left`. */
interface Reader {
  tap: Tap;
  /** Notes a frame; true when it is the last one. */
  note: (frame: Buffer) => boolean;
  left: () => void;
  ended: () => void;
  random: (below: number) => number;
}

/** Batches and forwarding cannot leave a batch half read. */
function noteAll(batch: Iterable<Buffer>, note: Reader['note']): boolean {
  return [...batch].map((frame) => note(frame)).includes(true);
}

async function iterate(frames: AsyncIterable<Buffer>, { note, left, ended }: Reader): Promise<void> {
  let over = false;
  for await (const frame of frames) {
    over = note(frame);
    if (over) break;
  }
  if (over) left();
  else ended();
}

const WAYS: Record<string, (reader: Reader) => void> = {
  data({ tap, note, left }) {
    const listener = (frame: Buffer) => {
      if (!note(frame)) return;
      tap.off('data', listener);
      tap.pause();
      left();
    };
    tap.on('data', listener);
    tap.resume();
  },
  readable({ tap, note, left }) {
    const listener = () => {
      for (let frame = tap.read(); frame !== null; frame = tap.read()) {
        if (!note(frame)) continue;
        tap.off('readable', listener);
        left();
        return;
      }
    };
    tap.on('readable', listener);
    // Node tells a listener that comes right after another nothing of what is there.
    listener();
  },
  async read({ tap, note, left, ended }) {
    for (let turns = 0; turns < 1000; turns++) {
      const frame = tap.read();
      if (frame !== null && note(frame)) return left();
      if (tap.readableEnded) return ended();
      if (frame === null) await nextTurn();
    }
  },
  async batches({ tap, note, left, ended, random }) {
    let over = false;
    for await (const batch of tap.batches({ maxFrames: 1 + random(6) })) {
      over = noteAll(batch, note);
      if (over) break;
      if (random(3) === 0) await nextTurn();
    }
    if (over) left();
    else ended();
  },
  iterator(reader) {
    void iterate(reader.tap.iterator({ destroyOnReturn: false }), reader);
  },
  "Node's own iterator"(reader) {
    void iterate(Readable.prototype.iterator.call(reader.tap, { destroyOnReturn: false }), reader);
  },
  'iterator beside a listener'(reader) {
    const listener = () => undefined;
    reader.tap.on('readable', listener);
    const { left } = reader;
    const frames = reader.tap.iterator({ destroyOnReturn: false });
    void iterate(frames, {
      ...reader,
      left() {
        reader.tap.off('readable', listener);
        left();
      },
    });
  },
  forward({ tap, note, left, ended, random }) {
    const controller = new AbortController();
    const to = tapOverNothing().tap;
    let over = false;
    const transform = (batch: FrameBatch) => {
      if (!over && noteAll(batch, note)) {
        over = true;
        controller.abort();
      }
    };
    const options = { signal: controller.signal, transform, maxFrames: 1 + random(6) };
    forward(tap, to, options).then(() => (over ? left() : ended()));
  },
  pipe({ tap, note, left }) {
    const sink = new Writable({
      objectMode: true,
      highWaterMark: 1,
      write(frame, _encoding, done) {
        const isLast = note(frame);
        if (isLast) {
          tap.unpipe(sink);
          left();
        }
        setImmediate(done);
      },
    });
    tap.pipe(sink);
  },
};

/** After a hand-off the stream still has frames, and these ways to read them, to the end. */
const LAST_WAYS: ((tap: Tap, note: (frame: Buffer) => void) => Promise<unknown>)[] = [
  async (tap, note) => {
    for await (const frame of tap) note(frame);
  },
  async (tap, note) => {
    for await (const frame of tap.iterator({ destroyOnReturn: false })) note(frame);
  },
  (tap, note) => {
    tap.on('data', note).resume();
    return new Promise((resolve) => tap.once('end', resolve));
  },
  (tap, note) => {
    const read = () => {
      for (let frame = tap.read(); frame !== null; frame = tap.read()) note(frame);
    };
    tap.on('readable', read);
    read();
    return new Promise((resolve) => tap.once('end', resolve));
  },
];

const HANDS = 12;

/** Bursts come as from the kernel, while who reads changes again and again; the last one may hand the device off. */
async function oneRun(seed: number, handsOff: boolean): Promise<string | undefined> {
  const random = randomNumbers(seed);
  const scripted = tapOverNothing();
  const { tap } = scripted;
  const names = Object.keys(WAYS);
  const ways: string[] = [];
  const numbers: number[] = [];
  let sent = 0;
  let over = false;
  let last: Promise<unknown> | undefined;
  const note = (frame: Buffer) => numbers.push(frame.readUInt32BE());
  const numbered = (count: number) => Array.from({ length: count }, () => frameOf(sent++));

  const finish = () => {
    over = true;
    if (!handsOff) return;
    scripted.hold(numbered(random(3)));
    tap.handOff();
    const way = random(LAST_WAYS.length);
    ways.push(`last way ${way}`);
    last = LAST_WAYS[way](tap, note);
  };
  const readOn = () => {
    const name = names[random(names.length)];
    ways.push(name);
    let quota = 1 + random(9);
    WAYS[name]({
      tap,
      random,
      ended: () => ways.push('ended too early'),
      note: (frame) => {
        note(frame);
        quota -= 1;
        return quota === 0;
      },
      left: () => {
        if (ways.length === HANDS) finish();
        else if (random(3) === 0) setImmediate(readOn);
        else if (random(2) === 0) queueMicrotask(readOn);
        else readOn();
      },
    });
  };
  readOn();
  for (let turns = 0; turns < 3000 && !over; turns++) {
    await nextTurn();
    const count = Math.min(1 + random(12), scripted.burstRoom());
    if (scripted.isReading()) scripted.arrive(numbered(count), random(3) === 0);
  }
  await Promise.race([last, stuck()]);
  tap.destroy();
  const inOrder = numbers.every((number, i) => number === i);
  const isWhole = !handsOff || numbers.length === sent;
  if (over && inOrder && isWhole) return undefined;
  return `seed ${seed}: ${over ? '' : 'stuck '}${ways.join(', ')}: ${numbers.join(' ')} of ${sent}`;
}

/** Long enough for everything that happens without a kernel. */
async function stuck(): Promise<void> {
  for (let turns = 0; turns < 200; turns++) await nextTurn();
}

for (const handsOff of [false, true]) {
  t.test(`from any way of reading to any other${handsOff ? ', then a hand-off' : ''}`, async (t) => {
    for (let seed = 1; seed <= 200; seed++) {
      const failure = await oneRun(seed, handsOff);
      if (failure !== undefined) t.fail(failure);
    }
    t.pass('all came in order, each once');
  });
}
