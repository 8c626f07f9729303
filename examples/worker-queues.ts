/**
 * One device, many threads: a TUN with a queue for each worker thread. The kernel assigns each flow to one queue, so the
 * threads share the work but never a frame. Here all of them run the same server: it answers every UDP datagram with the
 * same datagram. A client sends from many ports. At the end the program prints how many datagrams each worker answered,
 * and how many all of them per second: run it with 1, 2, 4, … workers to see how this grows with the processors.
 *
 *     node worker-queues.js [WORKERS] [ROUNDS]     default: one for each processor, at least 2; 200 rounds
 *
 * Needs root. Everything is in its own network namespace, which is removed at the end, even on Ctrl-C.
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

/** The worker: owns one queue, and answers everything from it until told to stop. */
async function answerAll({ fd, netns }: QueueOfWorker): Promise<Answered> {
  const queue = await adoptFd(fd, { netns });
  const controller = new AbortController();
  parentPort?.once('message', () => controller.abort());
  parentPort?.postMessage('ready');
  const flows = new Set<number>();
  // Back through the same queue. The batch is changed in place: nothing is copied.
  const transform = (batch: FrameBatch) => batch.filter((packet) => turnAround(packet, flows));
  const { frames } = await forward(queue, queue, { signal: controller.signal, transform });
  await queue.close();
  return { datagrams: frames, flows: flows.size };
}

/**
 * Turns a UDP datagram into its answer; returns false for any other packet. Source and destination are swapped, so both
 * checksums stay valid.
 */
function turnAround(packet: Buffer, flows: Set<number>): boolean {
  const PROTOCOL = 9;
  const UDP = 17;
  if ((packet[0] ?? 0) !== 0x45 || packet[PROTOCOL] !== UDP || packet.length < 28) return false;
  flows.add(packet.readUInt16BE(20));
  packet.set([...packet.subarray(16, 20), ...packet.subarray(12, 16)], 12);
  packet.set([...packet.subarray(22, 24), ...packet.subarray(20, 22)], 20);
  return true;
}

/** Runs in the namespace: each of many sockets sends, waits for the answer, and sends again. */
const CLIENT_PROGRAM = `
  const { createSocket } = require('node:dgram');
  const [, server, flows, rounds] = process.argv;
  for (let flow = 0; flow < Number(flows); flow++) {
    const socket = createSocket('udp4');
    let left = Number(rounds);
    const send = () => socket.send('echo ' + left, 7, server);
    socket.on('message', (answer) => {
      if (answer.toString() !== 'echo ' + left) throw new Error('unexpected answer: ' + answer);
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
    // From here on a queue belongs to its worker: only the number is passed. If a worker fails to take it, close it here.
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
    console.log(`${workerCount} workers, ${FLOWS} flows, ${rounds} rounds; Ctrl-C stops early`);

    const start = performance.now();
    client = netns.spawn(process.execPath, ['-e', CLIENT_PROGRAM, SERVER, String(FLOWS), String(rounds)], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (stopped) client.kill();
    const [status, signal] = await once(client, 'close');
    if (status !== 0 && signal === null) throw new Error(`the client exited with ${status}`);
    const seconds = (performance.now() - start) / 1000;

    let total = 0;
    for (const [i, worker] of workers.entries()) {
      worker.postMessage('stop');
      const [answered]: Answered[] = await once(worker, 'message');
      const { datagrams = 0, flows = 0 } = answered ?? {};
      console.log(`worker ${i}: ${datagrams} datagrams from ${flows} flows`);
      total += datagrams;
    }
    console.log(`total: ${total} datagrams, ${Math.round(total / seconds)} per second`);
  } finally {
    process.off('SIGINT', stop);
    await Promise.all(workers.map((worker) => worker.terminate()));
    await Promise.all(queues.map((queue) => queue.close()));
    await netns.close();
  }
}

if (isMainThread) {
  const [workers, rounds] = process.argv.slice(2).map(Number);
  await main(workers ?? Math.max(2, availableParallelism()), rounds ?? 200);
} else {
  parentPort?.postMessage(await answerAll(workerData));
}
