/** Receiving: from a full queue, and while another processor fills it. */
import { frameCosts } from './frame-costs.mjs';

const BURST = 1024;
/** Super-frames in the queue at once. */
const SUPER_BURST = 64;
const OWN = ['batches', 'batches-looked-at', 'data', 'for-await'];
const PLAIN_NODE = ['fs-stream', 'fs-read'];
const WAYS = { program: 'receive', own: OWN, plainNode: PLAIN_NODE };

/** The queue is filled with 1024 frames, then they are read. Only the reading counts, and it never waits for a frame. */
export const receiveDrain = {
  name: 'receive-drain',
  title: 'Receiving 1024 queued frames',
  unit: 'CPU ns a frame',
  async run(effort, skip) {
    const rounds = (way) =>
      Math.max(1, Math.round(effort.drainRounds * (isSlow(way) ? effort.slowShare : 1)));
    const line = (size, way) => `drain ${size} ${BURST} ${rounds(way)}`;
    const superLine = (size, way) => `drain ${size} ${SUPER_BURST} ${rounds(way) * 4}`;
    return frameCosts({ ...WAYS, tunWay: 'data', line, superLine, effort, skip });
  },
};

/** Another process floods the device: the kernel drops what is read too late, and what is read counts. */
export const receiveFlood = {
  name: 'receive-flood',
  title: 'Receiving under a flood',
  unit: 'CPU ns a frame',
  async run(effort, skip) {
    const line = (size) => `flood ${size} ${effort.floodMs}`;
    return frameCosts({ ...WAYS, apart: true, line, effort, skip });
  },
};

function isSlow(way) {
  return !OWN.includes(way) && way !== 'floor';
}
