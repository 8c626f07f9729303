/** The ways to receive that are compared. Each calls `count(frames)`, and lets go of the frames. */
import fs from 'node:fs';
import { createRequire } from 'node:module';

const FRAME_BYTES = 66 * 1024;
/** bench/floor/with_device.c puts the descriptor there. */
const INHERITED_FD = 3;
const OFFLOAD = ['csum', 'tso4', 'tso6', 'uso4', 'uso6'];

/** @param {object} [more] further options of the opening call */
export async function openDevice(name, kind, more = {}) {
  const { openTap, openTun } = await import('tapfd');
  const options = { name, ...more };
  if (kind === 'tun') return openTun(options);
  return openTap(kind === 'tap-vnet' ? { ...options, vnetHeader: true, offload: OFFLOAD } : options);
}

export const receivers = {
  async batches({ name, kind, count }) {
    const device = await openDevice(name, kind);
    (async () => {
      for await (const batch of device.batches()) count(batch.length);
    })();
    return device;
  },

  async 'batches-looked-at'({ name, kind, count }) {
    const device = await openDevice(name, kind);
    let sum = 0;
    (async () => {
      for await (const batch of device.batches()) {
        for (const frame of batch) sum += frame[12];
        count(batch.length);
      }
    })();
    return Object.assign(device, { sum: () => sum });
  },

  async data({ name, kind, count }) {
    const device = await openDevice(name, kind);
    let bytes = 0;
    device.on('data', (frame) => {
      bytes += frame.length;
      count(1);
    });
    return Object.assign(device, { bytes: () => bytes });
  },

  async 'for-await'({ name, kind, count }) {
    const device = await openDevice(name, kind);
    let bytes = 0;
    (async () => {
      for await (const frame of device) {
        bytes += frame.length;
        count(1);
      }
    })();
    return Object.assign(device, { bytes: () => bytes });
  },

  async 'fs-stream'({ name, count }) {
    fs.createReadStream('', { fd: INHERITED_FD, highWaterMark: FRAME_BYTES }).on('data', () => count(1));
    return { name };
  },

  async 'fs-read'({ name, count }) {
    const memory = Buffer.allocUnsafeSlow(FRAME_BYTES);
    const next = () =>
      fs.read(INHERITED_FD, memory, 0, FRAME_BYTES, null, (error) => {
        if (error) throw error;
        next();
        count(1);
      });
    next();
    return { name };
  },

  async 'appium-ios-tuntap'({ name, count }) {
    const { TunTap } = load('appium-ios-tuntap');
    const device = new TunTap(name);
    device.open();
    return {
      name: device.name,
      // It has no event for a frame: whoever knows of frames asks for one after the other.
      drain() {
        while (device.read().length > 0) count(1);
      },
    };
  },

  async 'node-tuntap2-wintun'({ count }) {
    const { LinuxTap } = load('@xiaobaidadada/node-tuntap2-wintun');
    const device = new LinuxTap();
    device.isUp = true;
    device.on('data', () => count(1));
    return { name: device.name };
  },
};

/** A package of bench/rig/other-packages.mjs. */
export function load(name) {
  return createRequire(process.env.TAPFD_BENCH_PACKAGES)(name);
}
