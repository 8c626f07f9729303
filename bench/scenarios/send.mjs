/** Sending: frames that the kernel accepts and then drops early. */
import { frameCosts } from './frame-costs.mjs';

const SLOW = ['fs-write', 'node-tuntap2-wintun'];

export const send = {
  name: 'send',
  title: 'Sending',
  unit: 'CPU ns a frame',
  async run(effort, skip) {
    const frames = (way) =>
      Math.max(256, Math.round(effort.sendFrames * (SLOW.includes(way) ? effort.slowShare : 1)));
    return frameCosts({
      program: 'send',
      own: ['batches', 'array-of-buffers', 'write'],
      plainNode: ['fs-write', 'fs-write-sync'],
      tunWay: 'write',
      line: (size, way) => `send ${size} ${frames(way)}`,
      superLine: (size, way) => `send ${size} ${Math.round(frames(way) / 10)}`,
      effort,
      skip,
    });
  },
};
