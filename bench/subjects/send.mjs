/**
 * Sends in one of several ways, as bench/floor/send.c does:
 *
 *     node send.mjs WAY NAME KIND COMMANDS ANSWERS
 */

import { once } from 'node:events';
import fs from 'node:fs';
import { answer, cpuNs, Producer, serve, wallNs } from './commands.mjs';
import { INHERITED_FD, openAppiumTun, openDevice, openWintunTap } from './devices.mjs';

const BATCH = 256;
const SUPER_BATCH = 16;
const [way, name, kind, commands, answers] = process.argv.slice(2);
const producer = new Producer(commands, answers);

/** Frames of this size, received from the producer, so that every way sends the same ones. */
async function frames(device, size) {
  const count = size > 4096 ? SUPER_BATCH : BATCH;
  const batches = device.batches({ maxFrames: count });
  const next = batches.next();
  producer.burst(size, count);
  const { value: batch } = await next;
  const kept = batch.copy();
  await batches.return();
  if (kept.length !== count) throw new Error(`${kept.length} frames came instead of ${count}`);
  return kept;
}

const senders = {
  async batches(device) {
    return async (batch, count) => {
      for (let sent = 0; sent < count; sent += batch.length) await device.writeBatch(batch);
    };
  },
  async 'array-of-buffers'(device) {
    return async (batch, count) => {
      const buffers = [...batch];
      for (let sent = 0; sent < count; sent += buffers.length) await device.writeBatch(buffers);
    };
  },
  async write(device) {
    return async (batch, count) => {
      const buffers = [...batch];
      for (let sent = 0; sent < count; sent += buffers.length) {
        let room = true;
        for (const frame of buffers) room = device.write(frame);
        if (!room) await once(device, 'drain');
      }
    };
  },
  async 'fs-write'() {
    return async (batch, count) => {
      const [frame] = batch;
      for (let sent = 0; sent < count; sent += 1) {
        await new Promise((resolve, reject) => {
          fs.write(INHERITED_FD, frame, 0, frame.length, null, (error) =>
            error ? reject(error) : resolve(),
          );
        });
      }
    };
  },
  async 'fs-write-sync'() {
    return async (batch, count) => {
      const [frame] = batch;
      for (let sent = 0; sent < count; sent += 1) fs.writeSync(INHERITED_FD, frame);
    };
  },
};

const foreign = {
  async 'appium-ios-tuntap'() {
    const device = openAppiumTun(name);
    return {
      name: device.name,
      async send(frame, count) {
        for (let sent = 0; sent < count; sent += 1) device.write(frame);
      },
    };
  },
  async 'node-tuntap2-wintun'() {
    const device = openWintunTap();
    return {
      name: device.name,
      async send(frame, count) {
        // It joins waiting frames into one, so each must be written before the next.
        for (let sent = 0; sent < count; sent += 1)
          await new Promise((done) => device.write(frame, undefined, done));
      },
    };
  },
};

async function measured(work, count) {
  const cpuBefore = cpuNs();
  const wallBefore = wallNs();
  await work();
  return { frames: count, cpuNs: cpuNs() - cpuBefore, wallNs: wallNs() - wallBefore };
}

if (way in foreign) {
  const device = await foreign[way]();
  answer({ ready: true, device: device.name });
  serve({ send: (size, count) => measured(() => device.send(plainFrame(size), count), count) });
} else if (way.startsWith('fs-')) {
  const send = await senders[way]();
  answer({ ready: true, device: name });
  serve({ send: (size, count) => measured(() => send([plainFrame(size)], count), count) });
} else {
  const device = await openDevice(name, kind);
  const send = await senders[way](device);
  const made = new Map();
  answer({ ready: true, device: device.name });
  serve({
    async send(size, count) {
      if (!made.has(size)) made.set(size, await frames(device, size));
      const batch = made.get(size);
      const whole = Math.ceil(count / batch.length) * batch.length;
      return measured(() => send(batch, whole), whole);
    },
  });
}

/** As bench/floor/device.h fill_frame() makes it. */
function plainFrame(size) {
  const frame = Buffer.alloc(size, 0xa5);
  if (kind !== 'tun') {
    frame.write('0200000000fe0200000000fd88b5', 'hex');
    return frame;
  }
  frame.write(`4500${size.toString(16).padStart(4, '0')}0000000040fd0000c0000201c0000202`, 'hex');
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += frame.readUInt16BE(i);
  frame.writeUInt16BE(~((sum & 0xffff) + (sum >>> 16)) & 0xffff, 10);
  return frame;
}
