/** However a program ends, the namespaces it made are removed. Each case is a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { createNetns, links } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { childCommand } from '../../kit/child.js';
import { run } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

let made = 0;

interface Ended {
  status: number | null;
  path: string;
  output: string;
}

/** Runs a module that makes `netns` with createNetns and prints whether it exists. */
async function runScript(t: Test, body: string): Promise<Ended> {
  made += 1;
  const name = `tapfd-${process.pid}-exit${made}`;
  t.teardown(() => run('ip', 'netns', 'delete', name).catch(() => undefined));
  const script = `
    import { existsSync } from 'node:fs';
    import { Worker } from 'node:worker_threads';
    import { createNetns, links } from 'tapfd';
    const name = process.argv[1];
    ${body}`;
  const [command, ...args] = childCommand(script, [name]);
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const output = await text(child.stdout);
  return { status: await exited, path: `/run/netns/${name}`, output };
}

const make = `const netns = await createNetns(name); console.log(existsSync(netns.path) ? 'made' : 'missing');`;
/** The same in a worker, which then continues with `rest`. */
function inWorker(rest: string): string {
  const script = `
    import { existsSync } from 'node:fs';
    import { parentPort, workerData as name } from 'node:worker_threads';
    const { createNetns, links } = await import(${JSON.stringify(import.meta.resolve('tapfd'))});
    const netns = await createNetns(name);
    parentPort.postMessage(existsSync(netns.path) ? 'made' : 'missing');
    ${rest}`;
  return `
    const url = new URL(${JSON.stringify(`data:text/javascript,${encodeURIComponent(script)}`)});
    const worker = new Worker(url, { workerData: name });
    worker.on('error', () => {});
    console.log(await new Promise((resolve) => worker.once('message', resolve)));`;
}

const WITH_WORKER = 'when the program exits with a worker running';
const LEAVES_WORKERS =
  (process.versions.bun ?? process.versions.deno) !== undefined &&
  'needs node: others do not end their workers, and the addon in them, when the program exits';

const cases: [string, number, string][] = [
  ['at the end of the program', 0, make],
  ['at process.exit()', 3, `${make} process.exit(3);`],
  ['in an exit listener set before', 0, `process.on('exit', () => {}); ${make} process.exit();`],
  ['after an uncaught exception', 1, `${make} setImmediate(() => { throw new Error('on purpose'); });`],
  ['after an unhandled rejection', 1, `${make} Promise.reject(new Error('on purpose'));`],
  [
    'while watched',
    0,
    `${make} const events = links.watch({ netns: name }); await events.ready; process.exit();`,
  ],
  ['at the end of a worker', 0, inWorker('')],
  ['at process.exit() in a worker', 0, inWorker('process.exit(0);')],
  ['after an uncaught exception in a worker', 0, inWorker(`throw new Error('on purpose');`)],
  [
    'when a worker is terminated',
    0,
    `${inWorker('setInterval(() => {}, 1000);')} await worker.terminate();
     console.log(existsSync('/run/netns/' + name) ? 'left' : 'removed'); `,
  ],
  [
    'when a worker is terminated while it watches',
    0,
    `${inWorker('for await (const event of links.watch({ netns: name })) parentPort.postMessage(event.type);')}
     await links.create({ kind: 'bridge', netns: name });
     await worker.terminate();`,
  ],
  [WITH_WORKER, 0, `${inWorker('setInterval(() => {}, 1000);')} process.exit();`],
];

// Each is a process that mostly waits for the kernel.
t.jobs = 4;
for (const [when, status, body] of cases) {
  const skip = when === WITH_WORKER && LEAVES_WORKERS;
  t.test(when, { buffered: true, skip }, async (t) => {
    const ended = await runScript(t, body);
    t.match(ended.output, /^made\n(removed\n)?$/);
    t.equal(ended.status, status);
    t.notOk(existsSync(ended.path), 'removed');
  });
}

t.test('when a worker is terminated at any moment of the creation', { buffered: true }, async (t) => {
  const body = `
    const script = \`
      import { parentPort, threadId } from 'node:worker_threads';
      const { createNetns } = await import(${JSON.stringify(import.meta.resolve('tapfd'))});
      parentPort.postMessage('go');
      for (let made = 0; ; made++) await createNetns('tapfd-' + process.pid + '-' + made + '-' + threadId);\`;
    const url = new URL('data:text/javascript,' + encodeURIComponent(script));
    for (let i = 0; i < 10; i++) {
      const worker = new Worker(url);
      await new Promise((resolve) => worker.once('message', resolve));
      for (let turns = 0; turns < i * 3; turns++) await new Promise((resolve) => setImmediate(resolve));
      await worker.terminate();
    }
    const { readdirSync } = await import('node:fs');
    const left = readdirSync('/run/netns').filter((one) => one.startsWith('tapfd-' + process.pid + '-'));
    console.log(JSON.stringify(left));`;
  const ended = await runScript(t, body);
  t.equal(ended.output, '[]\n');
  t.equal(ended.status, 0);
});

t.test('when the program exits in the middle of the creation', { buffered: true }, async (t) => {
  for (const end of [
    'process.exit(5)',
    'setImmediate(() => process.exit(5))',
    'await made; process.exit(5)',
  ]) {
    const ended = await runScript(t, `const made = createNetns(name); ${end};`);
    t.equal(ended.status, 5);
    t.notOk(existsSync(ended.path), end);
  }
});

t.test('one without a name goes when the process is killed', { buffered: true }, async (t) => {
  const outside = await createNetns();
  t.teardown(() => outside.close());
  const script = `
    import { createNetns, links } from 'tapfd';
    const netns = await createNetns();
    await links.create({ kind: 'veth', name: 'near', netns: process.argv[1], peer: { netns } });
    console.log('made');
    setInterval(() => {}, 1000);`;
  const [command, ...args] = childCommand(script, [outside.path]);
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const events = links.watch({ netns: outside });
  await events.ready;
  for await (const { type, link } of events) {
    if (type === 'add') await once(child.stdout, 'data').then(() => child.kill('SIGKILL'));
    // The pair goes with the namespace that its other end is in.
    if (type === 'remove' && link.name === 'near') break;
  }
  t.pass('nothing holds it');
});

t.test('one without a name goes with its worker', { buffered: true }, async (t) => {
  const outside = await createNetns();
  t.teardown(() => outside.close());
  const script = `
    import { parentPort, workerData } from 'node:worker_threads';
    const { createNetns, links } = await import(${JSON.stringify(import.meta.resolve('tapfd'))});
    const netns = await createNetns();
    await links.create({ kind: 'veth', name: 'near', netns: workerData, peer: { netns } });
    parentPort.postMessage('made');
    setInterval(() => {}, 1000);`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(script)}`);
  const worker = new Worker(url, { workerData: outside.path });
  await once(worker, 'message');
  const events = links.watch({ netns: outside });
  await events.ready;
  await worker.terminate();
  for await (const { type, link } of events) if (type === 'remove' && link.name === 'near') break;
  t.pass('nothing holds it');
});
