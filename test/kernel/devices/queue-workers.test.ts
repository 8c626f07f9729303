/** The queues of one device in worker threads: one of them terminated, detached, attached. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { type FrameStream, openMacvtap, openTap } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import {
  flowFrame,
  framesUntil,
  isTcpFrame,
  send,
  TCP_FRAME_HEADER_BYTES,
  tcpFrame,
  textOf,
} from '../../kit/frames.js';
import { bridgeAndWire, ownNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap', 'bridge', 'veth', 'ip');

const LIBRARY = import.meta.resolve('tapfd');
const FROM = '02:00:00:00:00:01';
const TO = '02:00:00:00:00:02';
const FLOWS = 200;

/** Adopts its queue, passes every frame to the main thread, and obeys its orders. */
const WORKER = `
  import { parentPort, workerData } from 'node:worker_threads';
  import { adoptFd } from ${JSON.stringify(LIBRARY)};
  const queue = await adoptFd(workerData.fd, { netns: workerData.netns });
  queue.on('data', (frame) => parentPort.postMessage({ frame }));
  parentPort.on('message', async (order) => {
    await queue[order]();
    parentPort.postMessage({ done: order });
  });
  parentPort.postMessage({ done: 'adopted' });
`;

class QueueWorker {
  readonly #worker: Worker;
  onText: (text: string) => void = () => undefined;

  constructor(fd: number, netns: string) {
    this.#worker = new Worker(WORKER, { eval: true, execArgv: [], workerData: { fd, netns } });
    this.#worker.on('message', ({ frame, done }: { frame?: Uint8Array; done?: string }) => {
      if (done !== undefined) this.#worker.emit(done);
      const found = frame && textOf(Buffer.from(frame));
      if (found) this.onText(found);
    });
  }

  get adopted(): Promise<unknown> {
    return once(this.#worker, 'adopted');
  }

  async order(method: 'attachQueue' | 'detachQueue'): Promise<void> {
    this.#worker.postMessage(method);
    await once(this.#worker, method);
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Opens as many queues, and gives each to a worker. */
async function inWorkers(t: Test, netns: string, first: Queue, count: number): Promise<QueueWorker[]> {
  const queues: FrameStream[] = [first];
  while (queues.length < count) queues.push(await first.openQueue());
  t.teardown(() => Promise.all(queues.map((queue) => queue[Symbol.asyncDispose]())));
  return Promise.all(
    queues.map(async (queue) => {
      const worker = new QueueWorker(queue.handOff(), netns);
      t.teardown(() => worker.terminate());
      await worker.adopted;
      return worker;
    }),
  );
}

type Queue = FrameStream & { openQueue(): Promise<FrameStream> };

let rounds = 0;

/** Sends one frame of each of many flows, and returns how many each worker got. */
async function spread(sender: FrameStream, workers: readonly QueueWorker[]): Promise<number[]> {
  rounds += 1;
  const prefix = `round ${rounds} `;
  const shares = workers.map(() => 0);
  let left = FLOWS;
  const all = new Promise<void>((resolve) => {
    for (const [i, worker] of workers.entries()) {
      worker.onText = (found) => {
        if (!found.startsWith(prefix)) return;
        shares[i] = (shares[i] ?? 0) + 1;
        left -= 1;
        if (left === 0) resolve();
      };
    }
  });
  for (let i = 0; i < FLOWS; i += 1) {
    await send(sender, flowFrame({ to: TO, from: FROM, text: `${prefix}${i}` }, 1024 + i));
  }
  await all;
  return shares;
}

t.test('queues in workers', async (t) => {
  const network = await bridgeAndWire(t);
  const netns = network.name;

  const pairs: Record<string, () => Promise<[FrameStream, Queue]>> = {
    tap: async () => [
      await openTap({ netns, bridge: 'br0' }),
      await openTap({ netns, name: 'shared', bridge: 'br0', multiQueue: true }),
    ],
    macvtap: async () => [
      await openMacvtap({ netns, lower: 'wire', guestMac: FROM }),
      await openMacvtap({ netns, lower: 'wire', guestMac: TO, multiQueue: true }),
    ],
  };

  for (const [kind, open] of Object.entries(pairs)) {
    t.test(`${kind}: flows are spread over the workers; detached, attached, terminated`, async (t) => {
      const [sender, first] = await open();
      t.teardown(() => sender[Symbol.asyncDispose]());
      const workers = await inWorkers(t, netns, first, 4);
      const shares = await spread(sender, workers);
      t.ok(
        shares.every((share) => share > 0),
        `each has a share: ${shares}`,
      );

      await workers[1]?.order('detachQueue');
      const without = await spread(sender, workers);
      t.equal(without[1], 0, `the others have it all: ${without}`);
      await workers[1]?.order('attachQueue');
      const again = await spread(sender, workers);
      t.ok(
        again.every((share) => share > 0),
        `it has its share again: ${again}`,
      );

      // During traffic: what is in its queue is lost with it, and nothing else.
      const flood = spread(sender, workers);
      flood.catch(() => undefined);
      await workers[2]?.terminate();
      const rest = workers.filter((_, i) => i !== 2);
      const three = await spread(sender, rest);
      t.ok(
        three.every((share) => share > 0),
        `three are left: ${three}`,
      );
      if (kind === 'tap') t.equal((await network.info('shared')).numqueues, 3);
    });
  }
});

/** Adopts its queue to split and join: counts what it reads, and writes it back in one batch. */
const SEGMENTING_WORKER = `
  import { parentPort, workerData } from 'node:worker_threads';
  import { adoptFd } from ${JSON.stringify(LIBRARY)};
  const queue = await adoptFd(workerData.fd, { netns: workerData.netns, segment: true });
  const granted = await queue.setOffload(['csum', 'tso4']);
  parentPort.postMessage({ granted });
  for await (const batch of queue.batches()) {
    batch.filter((frame) => frame.readUInt16BE(12) === 0x0800);
    if (batch.length === 0) continue;
    const longest = Math.max(...[...batch].map((frame) => frame.length));
    await queue.writeBatch(batch);
    parentPort.postMessage({ frames: batch.length, longest, joins: queue.features.joins });
  }
`;

t.test('a worker splits and joins in its own queue', async (t) => {
  const network = await ownNamespace(t);
  const netns = network.name;
  await network.bridge('br0');
  const outside = await openTap({ netns, bridge: 'br0', vnetHeader: true, offload: ['csum', 'tso4'] });
  const first = await openTap({ netns, bridge: 'br0', multiQueue: true, segment: true });
  const second = await first.openQueue();
  t.teardown(() => Promise.all([outside, first, second].map((one) => one[Symbol.asyncDispose]())));
  await first.detachQueue(); // all that comes is the worker's
  const workerData = { fd: second.handOff(), netns };
  const worker = new Worker(SEGMENTING_WORKER, { eval: true, execArgv: [], workerData });
  t.teardown(() => worker.terminate());
  t.strictSame(await once(worker, 'message'), [{ granted: ['csum', 'tso4'] }]);

  const back = framesUntil(outside, isTcpFrame);
  const [told] = await Promise.all([
    once(worker, 'message'),
    send(outside, tcpFrame({ to: TO, from: FROM, payloadBytes: 20_000, segmentBytes: 1000 })),
  ]);
  t.strictSame(told, [{ frames: 20, longest: TCP_FRAME_HEADER_BYTES + 1000, joins: true }]);
  const joined = (await back).at(-1);
  t.equal(joined?.length, 10 + TCP_FRAME_HEADER_BYTES + 20_000, 'and it leaves as it came');
});
