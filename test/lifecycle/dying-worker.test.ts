/**
 * A terminated worker runs on for a moment, and its last native call meets a Node-API that refuses: no such call may
 * crash the process or act on partially read arguments.
 */
import t from 'tap';
import { fileNeeds } from '../kit/capabilities.js';
import { runChild } from '../kit/child.js';
import { ownNamespace } from '../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'ip');

/** One for each way of reading arguments or making what is returned. */
const CALLS = [
  `addon.openNamespace('/proc/self/ns/net')`,
  `addon.createNamespace('/run/netns/' + name)`,
  `addon.removeNamespace('/run/netns/' + name, ns)`,
  'addon.listLinks(ns)',
  `addon.getLink(ns, 'lo')`,
  `addon.createLink(ns, { kind: 'bridge', name, changes: { mac, netns: ns } })`,
  `addon.setLink(ns, 'lo', { mtu: 1234, netns: ns })`,
  `addon.addAddress(ns, 'lo', prefix)`,
  'addon.watchLinks(ns, { receiveBufferBytes: 70000 }, () => {})',
  'addon.useBurstMemory(() => mac, new Uint32Array(2))',
  'addon.openTap(ns, tap)',
  `addon.openMacvtap(ns, { ...tap, lower: 'lo', mode: 4, guestMac: mac })`,
  'addon.adoptQueue(ns, 0, { vnetHeader: true, guestMac: mac })',
  `addon.connectUnix('/nowhere')`,
  `addon.listenUnix({ address: '@' + name, path: '', backlog: 3, mode: 0o600 })`,
  'addon.unixPair()',
  'addon.duplicateFds([0, 1])',
  'queue.listen(() => {}, () => {}, 5)',
  'queue.setRules(rules)',
  'queue.write(mac)',
  'queue.writeFrames(1, mac, new Uint32Array(2), 0, 1, new Int32Array(4))',
  'queue.useOwnMemory(Buffer.alloc(9), new Uint32Array(2))',
  'queue.release()',
  'queue.close()',
  `queue.findOtherQueues('')`,
  'queue.setPersist(true)',
  'queue.setOffload([0])',
  'queue.setTxFilter(true, [mac])',
  'queue.setFilterProgram(mac)',
];

/**
 * Sorting holds the thread in one call that a termination does not interrupt, and nothing between it and CALL looks for
 * one. (Should the termination come later than the call, on a machine that is very busy, that call shows nothing.)
 */
const WORKER = `
  import { randomFillSync } from 'node:crypto';
  import { parentPort, workerData } from 'node:worker_threads';
  const { native } = await import(workerData.native);
  const addon = native();
  const { name } = workerData;
  const ns = await addon.openNamespace('/run/netns/' + workerData.netns);
  const mac = Buffer.of(2, 0, 0, 0, 0, 1);
  const prefix = { address: Buffer.of(127, 0, 0, 9), prefixLength: 8, noDad: false };
  const tap = {
    tun: false, name: 'made', devicePath: '/dev/net/tun', exclusive: false, packetInfo: false, napi: false,
    napiFrags: false, owner: 5,
    queue: { vnetHeaderBytes: 0, multiQueue: false, sendBufferBytes: 0x7fffffff, offloadMasks: [0] },
    link: { addresses: [], up: false },
  };
  const rules = { ethernet: true, packetInfo: false, vnetHeaderBytes: 0, mtu: 1500, superFrames: false, segment: false,
    joinsUdp: false, sourceMac: mac };
  const { queue } = await addon.openTap(ns, { ...tap, name: 'held%d' });
  const slow = randomFillSync(new Uint32Array(2 ** 22));
  (function () {
    parentPort.postMessage('now');
    slow.sort();
    CALL;
  })();
`;

const MAIN = `
  import { Worker } from 'node:worker_threads';
  import { once } from 'node:events';
  const [, netns] = process.argv;
  const native = import.meta.resolve('#lib/base/native.js');
  const workerData = { native, netns, name: 'dying-' + process.pid };
  for (const call of ${JSON.stringify(CALLS)}) {
    console.log(call);
    const worker = new Worker(${JSON.stringify(WORKER)}.replace('CALL', () => call), { eval: true, workerData });
    worker.on('error', (error) => { console.log(error); process.exitCode = 1; });
    await once(worker, 'message');
    await worker.terminate();
  }
  console.log('done');
`;

t.test('the last native call of a worker', { timeout: 240_000 }, async (t) => {
  const ns = await ownNamespace(t);
  const { code, signal, output, errors } = await runChild(MAIN, [ns.name]);
  t.same({ code, signal, errors }, { code: 0, signal: null, errors: '' });
  t.same(output.trim().split('\n'), [...CALLS, 'done']);
  t.same(await ns.linkNames(), []);
  t.match(await ns.link('lo'), { mtu: 65536 });
});
