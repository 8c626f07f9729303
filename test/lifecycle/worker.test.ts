/** Devices in worker threads: two at once, terminated at any moment. */
import { readdirSync } from 'node:fs';
import t from 'tap';
import { fileNeeds } from '../kit/capabilities.js';
import { runChild } from '../kit/child.js';
import { ownNamespace } from '../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

/**
 * What the workers run: a bridge's two TAPs flood each other, macvtap links are made, and there is always the rest of a
 * super-frame to deliver.
 */
const WORKER = `
  import { parentPort, workerData } from 'node:worker_threads';
  import { encodeVnetHeader, links, openTap, openMacvtap } from 'tapfd';
  const { netns, bridge, lower } = workerData;
  const a = await openTap({ netns, bridge });
  const b = await openTap({ netns, bridge });
  const macvtap = await openMacvtap({ netns, lower });
  macvtap.resume();
  const frame = Buffer.alloc(1000, 0xff);
  frame.writeUInt16BE(0x88b5, 12);
  frame[6] = 2;
  let received = 0;
  b.on('data', () => { received += 1; });
  const cutter = await openMacvtap({ netns, lower, segment: true });
  cutter.resume();
  const joiner = await openMacvtap({ netns, lower, vnetHeader: true });
  const superFrame = Buffer.alloc(64 + 50_000);
  encodeVnetHeader({ needsChecksum: true, segmentation: 'tcp4', headerBytes: 54, segmentBytes: 100, checksumStart: 34,
    checksumOffset: 16 }).copy(superFrame);
  const macs = (cutter.mac + joiner.mac).replaceAll(':', '');
  const headers = macs + '08004500c37800014000400600000a0900010a09000203e807d000000001000000075010020000000000';
  superFrame.write(headers, 10, 'hex');
  const flood = () => {
    for (let i = 0; i < 64; i++) a.write(frame);
    joiner.write(superFrame);
    if (received > 1000 && cutter.stats.received.frames > 500) parentPort.postMessage('flooding');
    setImmediate(flood);
  };
  flood();
  // Opens that are under way when the end comes.
  const churn = async (open, options) => { for (;;) await (await open(options))[Symbol.asyncDispose](); };
  churn(openMacvtap, { netns, lower });
  churn(openTap, { netns });
  const watching = (async () => { for await (const event of links.watch({ netns })) void event; })();
  await watching;
`;

const MAIN = `
  import { Worker } from 'node:worker_threads';
  import { once } from 'node:events';
  import { readdirSync } from 'node:fs';
  const [, netns, rounds] = process.argv;
  const source = ${JSON.stringify(WORKER)};
  const openFiles = () => readdirSync('/proc/self/fd').length;
  let before;
  for (let round = 0; round < Number(rounds); round++) {
    const workers = ['0', '1'].map((n) =>
      new Worker(source.replaceAll("from 'tapfd'", "from '" + import.meta.resolve('tapfd') + "'"), {
        eval: true, workerData: { netns, bridge: 'br' + n, lower: 'lower' + n },
      }));
    for (const worker of workers) worker.on('error', (error) => { console.error(error); process.exitCode = 1; });
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    await Promise.all(workers.map((worker) => worker.terminate()));
    before ??= openFiles();
    if (openFiles() > before) { console.error('descriptors', before, openFiles()); process.exitCode = 1; }
  }
  console.log('done');
`;

t.test('workers flood, and are terminated in the middle', { timeout: 120_000 }, async (t) => {
  const ns = await ownNamespace(t);
  for (const n of ['0', '1']) {
    await ns.bridge(`br${n}`);
    await ns.wire(`lower${n}`, `other${n}`);
  }
  const before = (await ns.linkNames()).sort();
  const ended = await runChild(MAIN, [ns.name, '5']);
  t.match(ended, { code: 0, output: 'done\n' }, ended.errors);
  t.equal(ended.errors, '');
  t.same((await ns.linkNames()).sort(), before);
  t.ok(readdirSync('/dev').filter((name) => name.startsWith('.tapfd')).length === 0);
});
