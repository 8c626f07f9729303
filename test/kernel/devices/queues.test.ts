/** Several queues of one device: opening, detaching and attaching them, and how traffic is spread. */
import t, { type Test } from 'tap';
import { type FrameDrop, type FrameStream, openMacvtap, openTap, openTun, type Tap, type Tun } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { flowFrame, send, testFrame, textOf, textsUntil } from '../../kit/frames.js';
import { bridgeAndWire } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const FROM = '02:00:00:00:00:01';
const TO = '02:00:00:00:00:02';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const FLOWS = 200;

type Queue = FrameStream & { openQueue(): Promise<FrameStream> };

/** Sends one frame of each of many flows, and returns the texts that each queue got. */
async function spread(sender: FrameStream, queues: FrameStream[]): Promise<string[][]> {
  const got: string[][] = queues.map(() => []);
  let left = FLOWS;
  const all = new Promise<void>((resolve) => {
    for (const [i, queue] of queues.entries()) {
      queue.on('data', (frame: Buffer) => {
        const text = textOf(frame);
        if (text?.startsWith('flow') !== true) return;
        got[i].push(text);
        left -= 1;
        if (left === 0) resolve();
      });
      queue.resume();
    }
  });
  for (let i = 0; i < FLOWS; i += 1)
    await send(sender, flowFrame({ to: TO, from: FROM, text: `flow ${i}` }, 1024 + i));
  await all;
  for (const queue of queues) queue.removeAllListeners('data').pause();
  return got;
}

t.test('queues', { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'veth', 'ip') }, async (t) => {
  const network = await bridgeAndWire(t);
  const netns = network.name;
  const FIXED_LINKS = await network.linkNames();

  /** What sends frames out of the device, and its first queue. */
  const pairs: Record<string, (t: Test) => Promise<[FrameStream, Queue]>> = {
    tap: async (t) => [
      closedWith(t, await openTap({ netns, bridge: 'br0' })),
      closedWith(t, await openTap({ netns, bridge: 'br0', multiQueue: true })),
    ],
    macvtap: async (t) => [
      closedWith(t, await openMacvtap({ netns, lower: 'wire', guestMac: FROM })),
      closedWith(t, await openMacvtap({ netns, lower: 'wire', guestMac: TO, multiQueue: true })),
    ],
  };

  for (const [kind, open] of Object.entries(pairs)) {
    t.test(`${kind}: each flow comes out of one queue, and all queues have some`, async (t) => {
      const [sender, first] = await open(t);
      const queues: FrameStream[] = [first];
      for (let i = 1; i < 4; i += 1) queues.push(closedWith(t, await first.openQueue()));
      for (const queue of queues) {
        t.strictSame([queue.name, queue.index, queue.kind], [first.name, first.index, kind]);
      }
      t.equal(new Set(queues.map(({ fd }) => fd)).size, 4, 'descriptors of their own');
      const got = await spread(sender, queues);
      t.ok(
        got.every(({ length }) => length > 0),
        `shares: ${got.map(({ length }) => length).join(', ')}`,
      );
      t.equal(new Set(got.flat()).size, FLOWS);
      t.strictSame(await spread(sender, queues), got, 'and the same queue the next time');
    });

    t.test(`${kind}: a detached queue gets nothing until it is attached`, async (t) => {
      const [sender, first] = await open(t);
      const second = closedWith(t, await first.openQueue());
      t.notOk(second.flags.detached);
      await second.detachQueue();
      t.ok(second.flags.detached);
      t.strictSame(
        (await spread(sender, [first, second])).map(({ length }) => length),
        [FLOWS, 0],
      );
      await second.attachQueue();
      t.notOk(second.flags.detached);
      await first.detachQueue();
      t.strictSame(
        (await spread(sender, [first, second])).map(({ length }) => length),
        [0, FLOWS],
      );
      await first.attachQueue();
      const both = await spread(sender, [first, second]);
      t.ok(both.every(({ length }) => length > 0));
    });

    t.test(`${kind}: detaching and attaching twice`, async (t) => {
      const [, first] = await open(t);
      const second = closedWith(t, await first.openQueue());
      const refused = { code: 'EINVAL', syscall: 'ioctl TUNSETQUEUE', interface: first.name };
      await t.rejects(second.attachQueue(), { ...refused, message: /already attached/ });
      await second.detachQueue();
      await t.rejects(second.detachQueue(), { ...refused, message: /already detached/ });
      t.ok(second.flags.detached, 'a call that failed changed nothing');
    });

    t.test(`${kind}: a detached queue still sends`, async (t) => {
      const [hearer, first] = await open(t);
      const second = closedWith(t, await first.openQueue());
      await second.detachQueue();
      await send(second, testFrame({ to: BROADCAST, from: TO, text: 'from a detached queue' }));
      await textsUntil(hearer, 'from a detached queue');
      t.strictSame(second.stats.sent.drops, {});
    });

    t.test(`${kind}: closing one queue leaves the others`, async (t) => {
      const [sender, first] = await open(t);
      const second = closedWith(t, await first.openQueue());
      if (kind === 'tap') {
        await first[Symbol.asyncDispose]();
        t.strictSame(await spread(sender, [second]), [Array.from({ length: FLOWS }, (_, i) => `flow ${i}`)]);
      } else {
        const third = await first.openQueue();
        await third[Symbol.asyncDispose]();
        const got = await spread(sender, [first, second]);
        t.equal(got.flat().length, FLOWS);
      }
    });

    t.test(`${kind}: a queue of a device that is closed or handed off`, async (t) => {
      const [, first] = await open(t);
      const second = await first.openQueue();
      await second[Symbol.asyncDispose]();
      for (const queue of [second]) {
        await t.rejects((queue as Queue).openQueue(), { code: 'ERR_TAPFD_CLOSED' });
        await t.rejects(queue.detachQueue(), { code: 'ERR_TAPFD_CLOSED' });
        await t.rejects(queue.attachQueue(), { code: 'ERR_TAPFD_CLOSED' });
      }
    });
  }

  t.test('TUN: packets of the kernels own flows are spread', async (t) => {
    const first = closedWith(
      t,
      await openTun({ netns, name: 'vpn', multiQueue: true, addresses: ['10.8.0.1/24'] }),
    );
    const second = closedWith(t, await first.openQueue());
    t.equal((await network.info('vpn')).numqueues, 2);
    const ports = new Set<number>();
    const counts = [0, 0];
    const all = new Promise<void>((resolve) => {
      for (const [i, queue] of [first, second].entries()) {
        queue.on('data', (packet: Buffer) => {
          if (packet[9] !== 17) return;
          ports.add(packet.readUInt16BE(22));
          counts[i] += 1;
          if (ports.size === 100) resolve();
        });
      }
    });
    await network.exec('bash', '-c', 'for p in {1001..1100}; do echo flow > /dev/udp/10.8.0.2/$p; done');
    await all;
    t.ok(counts[0] > 0 && counts[1] > 0, `shares: ${counts.join(', ')}`);
  });

  t.test('TUN and TAP: the kernel counts queues and detached queues', async (t) => {
    for (const open of [openTap, openTun]) {
      const first: Tap | Tun = await open({ netns, name: 'counted', multiQueue: true });
      const second = await first.openQueue();
      const third = await second.openQueue();
      await third.detachQueue();
      t.match(await network.info('counted'), { multi_queue: true, numqueues: 2, numdisabled: 1 });
      await third.attachQueue();
      t.match(await network.info('counted'), { numqueues: 3, numdisabled: 0 });
      for (const queue of [third, second]) await queue[Symbol.asyncDispose]();
      t.match(await network.info('counted'), { numqueues: 1, numdisabled: 0 });
      await first[Symbol.asyncDispose]();
    }
  });

  t.test('a detached queue works with NAPI, but what is written to it is lost and counted', async (t) => {
    const device = closedWith(t, await openTap({ netns, multiQueue: true, napi: true }));
    const queue = closedWith(t, await device.openQueue());
    const drops: FrameDrop[] = [];
    queue.on('drop', (drop) => drops.push(drop));
    await queue.detachQueue();
    await send(queue, testFrame({ to: BROADCAST, from: FROM, text: 'lost' }));
    t.strictSame(queue.stats.sent, { frames: 0, bytes: 0, drops: { detached: 1 } });
    t.strictSame(drops, [{ direction: 'send', reason: 'detached', count: 1 }]);
    await queue.attachQueue();
    await send(queue, testFrame({ to: BROADCAST, from: FROM, text: 'sent' }));
    t.equal(queue.stats.sent.frames, 1);
  });

  t.test('a device with one queue has neither further queues nor detached ones', async (t) => {
    for (const open of [openTap, openTun]) {
      const device: Queue = closedWith(t, await open({ netns }));
      const refused = { code: 'ERR_TAPFD_INVALID_STATE', recoverable: true, message: /multiQueue: true/ };
      await t.rejects(device.openQueue(), refused);
      await t.rejects(device.detachQueue(), refused);
      await t.rejects(device.attachQueue(), refused);
      t.notOk(device.destroyed);
    }
  });

  t.test('a device has at most 256 queues', async (t) => {
    for (const [open, failure] of [
      [
        () => openTap({ netns, name: 'full', multiQueue: true }),
        { code: 'E2BIG', syscall: 'ioctl TUNSETIFF' },
      ],
      [
        () => openTun({ netns, name: 'full', multiQueue: true }),
        { code: 'E2BIG', syscall: 'ioctl TUNSETIFF' },
      ],
      [() => openMacvtap({ netns, name: 'full', lower: 'wire' }), { code: 'EBUSY', syscall: 'open' }],
    ] as const) {
      const first: Queue = await open();
      const queues: FrameStream[] = [first];
      while (queues.length < 256) queues.push(await first.openQueue());
      await t.rejects(first.openQueue(), { ...failure, interface: 'full', message: /full has 256 queues/ });
      t.notOk(first.destroyed);
      await queues.pop()?.[Symbol.asyncDispose]();
      queues.push(await first.openQueue());
      await Promise.all(queues.map((queue) => queue[Symbol.asyncDispose]()));
    }
    t.strictSame(await network.linkNames(), FIXED_LINKS);
  });
});
