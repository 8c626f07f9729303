/** The ways to receive that are compared. Each calls `count(frames)` and keeps no frame. */
import fs from 'node:fs';
import { FRAME_BYTES, INHERITED_FD, openAppiumTun, openDevice, openWintunTap } from './devices.mjs';

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
    const device = openAppiumTun(name);
    return {
      name: device.name,
      // It has no event for a frame, so this reads until there is none left.
      drain() {
        while (device.read().length > 0) count(1);
      },
    };
  },

  async 'node-tuntap2-wintun'({ count }) {
    const device = openWintunTap();
    device.on('data', () => count(1));
    return { name: device.name };
  },
};
