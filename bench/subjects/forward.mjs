/**
 * Forwards in one of several ways, as bench/floor/forward.c does:
 *
 *     node forward.mjs WAY KIND NETNS NAME NETNS NAME
 */
import fs from 'node:fs';
import { forward } from 'tapfd';
import { answer, cpuNs, serve, wallNs } from './commands.mjs';
import { FRAME_BYTES, openDevice } from './devices.mjs';

const [way, kind, oneNetns, oneName, otherNetns, otherName] = process.argv.slice(2);

const ways = {
  batches(one, other) {
    forward(one, other);
    forward(other, one);
  },
  pipe(one, other) {
    one.pipe(other);
    other.pipe(one);
  },
  // The kernel delivers super-frames; JavaScript gets, and here looks at, every frame of MTU size.
  segment(one, other) {
    const seen = { frames: 0, firstBytes: 0 };
    const transform = (batch) => {
      seen.frames += batch.length;
      for (const frame of batch) seen.firstBytes += frame[12];
    };
    forward(one, other, { transform });
    forward(other, one, { transform });
    return seen;
  },
  'fs-callbacks'(one, other) {
    const [a, b] = [one.handOff(), other.handOff()];
    passOneWay(a, b);
    passOneWay(b, a);
  },
};

function passOneWay(from, to) {
  const memory = Buffer.allocUnsafeSlow(FRAME_BYTES);
  const next = () =>
    fs.read(from, memory, 0, FRAME_BYTES, null, (error, length) => {
      // The descriptor is non-blocking, so a read in the thread pool may find nothing.
      if (error?.code === 'EAGAIN') setImmediate(next);
      else if (error) throw error;
      else fs.write(to, memory, 0, length, null, next);
    });
  next();
}

const options = way === 'segment' ? { segment: true } : {};
const one = await openDevice(oneName, kind, { netns: oneNetns, ...options });
const other = await openDevice(otherName, kind, { netns: otherNetns, ...options });
ways[way](one, other);
answer({ ready: true });
serve({ cpu: async () => ({ frames: 0, cpuNs: cpuNs(), wallNs: wallNs() }) });
