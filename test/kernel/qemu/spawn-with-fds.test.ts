/** Real devices handed to a small program that reads and writes. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { openMacvtap, openTun } from 'tapfd';
import { spawnWithFds } from 'tapfd/qemu';
import { needs } from '../../kit/capabilities.js';
import { bridgedTap, contents, devicesOf, ETHERTYPE, frame, GUEST } from '../../kit/held-devices.js';
import { bridgeAndWire } from '../../kit/namespace.js';
import { NODE } from '../../kit/paths.js';

t.test(
  'spawnWithFds',
  { skip: needs('root', 'tun-device', 'netns', 'ip', 'bridge', 'veth', 'macvtap') },
  async (t) => {
    t.test('a program reads a frame from the number it was told, and writes one', async (t) => {
      const net = await bridgeAndWire(t);
      const ours = await bridgedTap(t, net);
      const theirs = await bridgedTap(t, net);
      const answering = `
      const { readSync, writeSync } = require('node:fs');
      const fd = Number(process.argv[1].slice('fd='.length));
      const frame = Buffer.alloc(2048);
      for (;;) {
        let length = 0;
        try {
          length = readSync(fd, frame);
        } catch (error) {
          if (error.code !== 'EAGAIN') throw error;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        }
        if (length < 14 || frame.readUInt16BE(12) !== ${ETHERTYPE}) continue;
        const text = frame.toString('latin1', 14, length).toUpperCase();
        writeSync(fd, Buffer.concat([frame.subarray(6, 12), frame.subarray(0, 6), frame.subarray(12, 14), Buffer.from(text)]));
        break;
      }
    `;
      const child = await spawnWithFds(NODE, ['-e', answering, '--', 'fd={fd:0}'], [theirs], {
        stdio: 'inherit',
        env: { PATH: process.env.PATH },
      });
      ours.write(frame(GUEST, 'a question'));
      t.strictSame(await contents(ours, 'A QUESTION'), ['A QUESTION']);
      t.strictSame(await once(child, 'exit'), [0, null]);
      t.ok(theirs.fd > 2 && !theirs.destroyed, "the parent's descriptor is as it was");
      ours.write(frame(GUEST, 'for us'));
      t.strictSame(await contents(theirs, 'for us'), ['for us'], 'and reads');
    });

    t.test('no other child gets a descriptor', async (t) => {
      const net = await bridgeAndWire(t);
      const devices = [
        await bridgedTap(t, net),
        await openTun({ netns: net.name }),
        await openMacvtap({ netns: net.name, lower: 'wire' }),
      ];
      t.teardown(() => Promise.all(devices.map((device) => device[Symbol.asyncDispose]())));
      t.equal(Object.keys(devicesOf('self')).length, 3, 'this process has three');
      const [, tun] = devices;
      const told = await spawnWithFds('sleep', ['1000'], tun ? [tun] : []);
      const untold = await spawnWithFds('sleep', ['1000'], []);
      t.teardown(() => [told, untold].map((child) => child.kill()));
      t.strictSame(devicesOf(told.pid ?? 0), { 3: tun?.name }, 'the child that was given one has that one');
      t.strictSame(devicesOf(untold.pid ?? 0), {}, 'and another has none');
      for (const { fd } of devices) {
        const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '';
        t.ok(Number.parseInt(flags, 8) & 0o2000000, 'each is close-on-exec here');
      }
    });
  },
);
