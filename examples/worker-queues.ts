/**
 * One device, many threads: a TUN with a queue for each worker thread. The kernel gives each flow to one queue, so the
 * threads share the work and never a frame. Here each of them is the same server: it answers every UDP datagram with the
 * same datagram. A client sends from many ports; at the end it is printed how much each worker has answered, and how
 * much all of them in a second: start it with 1, 2, 4, … workers to see how that grows with the processors.
 *
 *     node worker-queues.js [WORKERS] [ROUNDS]     default: one for each processor, at least 2; 200 rounds
 *
 * Needs root. All of it is in a network namespace of its own, which goes at the end, by Ctrl-C too.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { adoptFd, createNetns, type FrameBatch, forward, openTun, type Tun } from 'tapfd';

const CLIENT = '10.78.0.1';
const SERVER = '10.78.0.2';
const FLOWS = 64;

interface QueueOfWorker {
  fd: number;
  netns: string;
}

interface Answered {
  datagrams: number;
  flows: number;
}

/** The worker: owns one queue, and answers what comes out of it until it is told to stop. */
async function answerAll({ fd, netns }: QueueOfWorker): Promise<Answered> {
  const queue = await adoptFd(fd, { netns });
  const controller = new AbortController();
  parentPort?.once('message', () => controller.abort());
  parentPort?.postMessage('ready');
  const flows = new Set<number>();
  // Back through the queue it came from. The batch is changed in place: nothing is copied.
  const transform = (batch: FrameBatch) => batch.filter((packet) => turnRound(packet, flows));
  const { frames } = await forward(queue, queue, { signal: controller.signal, transform });
  await queue[Symbol.asyncDispose]();
  return { datagrams: frames, flows: flows.size };
}

/**
 * Makes the answer to a UDP datagram of it; false for any other packet. Source and destination change places, so both
 * checksums stay right.
 */
function turnRound(packet: Buffer, flows: Set<number>): boolean {
  const PROTOCOL = 9;
  const UDP = 17;
  if ((packet[0] ?? 0) !== 0x45 || packet[PROTOCOL] !== UDP || packet.length < 28) return false;
  flows.add(packet.readUInt16BE(20));
  packet.set([...packet.subarray(16, 20), ...packet.subarray(12, 16)], 12);
  packet.set([...packet.subarray(22, 24), ...packet.subarray(20, 22)], 20);
  return true;
}

/** What runs in the namespace: each of many sockets sends, waits for the answer, and sends again. */
const CLIENT_PROGRAM = `
  const { createSocket } = require('node:dgram');
  const [, server, flows, rounds] = process.argv;
  for (let flow = 0; flow < Number(flows); flow++) {
    const socket = createSocket('udp4');
    let left = Number(rounds);
    const send = () => socket.send('echo ' + left, 7, server);
    socket.on('message', (answer) => {
      if (answer.toString() !== 'echo ' + left) throw new Error('another answer: ' + answer);
      left -= 1;
      if (left > 0) send();
      else socket.close();
    });
    send();
  }`;

async function main(workerCount: number, rounds: number): Promise<void> {
  const netns = await createNetns();
  const queues: Tun[] = [];
  const workers: Worker[] = [];
  let client: ChildProcess | undefined;
  let stopped = false;
  const stop = () => {
    stopped = true;
    client?.kill();
  };
  process.once('SIGINT', stop);
  try {
    const first = await openTun({
      netns: netns.name,
      multiQueue: true,
      addresses: [`${CLIENT}/24`],
    });
    queues.push(first);
    while (queues.length < workerCount) queues.push(await first.openQueue());
    // From here on a queue is its worker's: the number is all that goes over. A worker that never came to take it
    // would leave it to us.
    for (const queue of queues) {
      const fd = queue.handOff();
      const worker = new Worker(new URL(import.meta.url), { workerData: { fd, netns: netns.name } });
      workers.push(worker);
      try {
        await once(worker, 'message');
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    }
    console.log(`${workerCount} workers, ${FLOWS} flows, ${rounds} rounds; Ctrl-C ends it before`);

    const start = performance.now();
    client = netns.spawn(process.execPath, ['-e', CLIENT_PROGRAM, SERVER, String(FLOWS), String(rounds)], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (stopped) client.kill();
    const [status, signal] = await once(client, 'close');
    if (status !== 0 && signal === null) throw new Error(`the client ended with ${status}`);
    const seconds = (performance.now() - start) / 1000;

    let total = 0;
    for (const [i, worker] of workers.entries()) {
      worker.postMessage('stop');
      const [answered]: Answered[] = await once(worker, 'message');
      const { datagrams = 0, flows = 0 } = answered ?? {};
      console.log(`worker ${i}: ${datagrams} datagrams of ${flows} flows`);
      total += datagrams;
    }
    console.log(`together: ${total} datagrams, ${Math.round(total / seconds)} a second`);
  } finally {
    process.off('SIGINT', stop);
    await Promise.all(workers.map((worker) => worker.terminate()));
    await Promise.all(queues.map((queue) => queue[Symbol.asyncDispose]()));
    await netns.remove();
  }
}

if (isMainThread) {
  const [workers, rounds] = process.argv.slice(2).map(Number);
  await main(workers ?? Math.max(2, availableParallelism()), rounds ?? 200);
} else {
  parentPort?.postMessage(await answerAll(workerData));
}
