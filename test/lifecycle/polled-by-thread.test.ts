/**
 * What a thread polls, where the runtime's libuv cannot (docs/runtimes.md). In Bun and Deno that is so by itself; Node is
 * told that it is one of them, and does as they do.
 */
import t from 'tap';
import { needs } from '../kit/capabilities.js';
import { runChild } from '../kit/child.js';
import { quietNamespace } from '../kit/namespace.js';
import { inRepo } from '../kit/paths.js';

const VERSIONS = { bun: '1.4.5', deno: '2.9.6' };
const inNode = process.versions.bun === undefined && process.versions.deno === undefined;

/** Node as another runtime. */
function as(runtime: keyof typeof VERSIONS, version = VERSIONS[runtime]): string[] {
  const versions = `{ ...process.versions, ${runtime}: '${version}' }`;
  return inNode
    ? ['--import', `data:text/javascript,Object.defineProperty(process, 'versions', { value: ${versions} })`]
    : [];
}

/** Two TAPs, and what sends frames to both without pause until its input ends. */
const FLOODED = `
  import { createNetns, openTap } from 'tapfd';
  const netns = await createNetns();
  const taps = [];
  for (const n of [1, 2]) taps.push(await openTap({ netns, ipv6: false, addresses: ['10.0.' + n + '.1/24'] }));
  const script = \`
import select, socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
while not select.select([sys.stdin], [], [], 0)[0]:
  for _ in range(200):
    for n in (1, 2):
      try: sock.sendto(b'frame', ('10.0.%d.255' % n, 9))
      except OSError: pass
\`;
  const flood = netns.spawn('python3', ['-c', script], { stdio: ['pipe', 'ignore', 'inherit'] });
  const over = new Promise((resolve) => flood.on('exit', resolve));
`;
const END = `
  flood.stdin.end();
  for (const tap of taps) await tap.close();
  await over;
  await netns.close();
`;

for (const runtime of ['bun', 'deno'] as const) {
  if (!inNode && process.versions[runtime] === undefined) continue;
  const options = as(runtime);

  t.test(`${runtime}: a flood on two devices: both are read, and timers go on`, async (t) => {
    const ended = await runChild(
      `${FLOODED}
      let ticks = 0;
      const timer = setInterval(() => { ticks++; }, 1);
      const counts = [0, 0];
      await new Promise((resolve) => {
        taps.forEach((tap, i) => tap.on('data', () => {
          counts[i]++;
          if (Math.min(...counts) >= 20_000) resolve();
        }));
      });
      clearInterval(timer);
      console.log(ticks >= 20 ? 'ticked' : 'ticked only ' + ticks + ' times');
      ${END}`,
      [],
      options,
    );
    t.match(ended, { code: 0, output: 'ticked\n', errors: '' });
  });

  t.test(`${runtime}: devices that do not keep the process alive, and timers go on`, async (t) => {
    const ended = await runChild(
      `${FLOODED}
      let ticks = 0, read = 0;
      for (const tap of taps) tap.on('data', () => { read++; }).unref();
      flood.unref();
      flood.stdin.unref?.(); // Bun has none, and needs none
      await new Promise((resolve) => {
        const timer = setInterval(() => {
          if (++ticks < 50 || read < 1000) return;
          clearInterval(timer);
          resolve();
        }, 1);
      });
      console.log('read, and ticked');
      process.on('exit', () => console.log('exit'));
      flood.stdin.end();`,
      [],
      options,
    );
    t.match(ended, { code: 0, output: 'read, and ticked\nexit\n', errors: '' });
  });

  t.test(`${runtime}: what a listener throws is uncaught, and the reading goes on`, async (t) => {
    const ended = await runChild(
      `${FLOODED}
      let caught = 0;
      process.on('uncaughtException', (error) => { caught += error.message === 'enough' ? 1 : 1000; });
      let read = 0;
      await new Promise((resolve) => taps[0].on('data', () => {
        if (++read <= 3) throw new Error('enough');
        if (read === 1000) resolve();
      }));
      console.log(caught);
      ${END}`,
      [],
      options,
    );
    t.match(ended, { code: 0, output: '3\n', errors: '' });
  });

  t.test(`${runtime}: process.exit() in a listener`, async (t) => {
    const ns = await quietNamespace(t);
    const ended = await runChild(
      `import { openTap } from 'tapfd';
      const tap = await openTap({ netns: process.argv[1], addresses: ['10.0.0.1/24'], ipv6: true });
      tap.on('data', () => { console.log('read'); process.exit(7); });`,
      [ns.path],
      options,
    );
    // Its own neighbour discovery is what it reads.
    t.match(ended, { code: 7, output: 'read\n', errors: '' });
    t.same(await ns.linkNames(), []);
  });

  t.test(`${runtime}: a worker that is ended while it reads`, async (t) => {
    const ended = await runChild(
      `${FLOODED}
      import { Worker } from 'node:worker_threads';
      import { links } from 'tapfd';
      const own = 'import { openTap } from "tapfd";' +
        'import { parentPort, workerData } from "node:worker_threads";' +
        'const tap = await openTap({ netns: workerData, addresses: ["10.0.3.1/24"] });' +
        'tap.once("data", () => parentPort.postMessage("read")).resume();';
      const { pathToFileURL } = await import('node:url');
      const { writeFileSync, rmSync } = await import('node:fs');
      const file = process.cwd() + '/.cache/worker-' + process.pid + '.mjs';
      writeFileSync(file, own);
      const before = (await links.list({ netns })).length;
      for (let i = 0; i < 3; i++) {
        const worker = new Worker(pathToFileURL(file), { workerData: netns.path, execArgv: WORKER_OPTIONS });
        await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        await worker.terminate();
        // Its device goes with it.
        while ((await links.list({ netns })).length !== before) await new Promise(setImmediate);
      }
      rmSync(file);
      await new Promise((resolve) => taps[0].once('data', resolve));
      console.log('three');
      ${END}`.replace('WORKER_OPTIONS', JSON.stringify(options)),
      [],
      options,
    );
    t.match(ended, { code: 0, output: 'three\n', errors: '' });
  });

  t.test(`${runtime}: descriptors for a child, whatever their numbers`, async (t) => {
    const ended = await runChild(
      `import { spawnWithFds } from 'tapfd/qemu';
      import { FdSocket } from 'tapfd';
      import { openSync } from 'node:fs';
      import { text } from 'node:stream/consumers';
      const [a, b] = FdSocket.pair();
      const files = ['/etc/passwd', '/etc/group'].map((path) => openSync(path));
      // Each in the place of another, and one twice.
      const highest = Math.max(...files);
      const stdio = Array(highest + 1).fill('ignore');
      stdio[1] = 'pipe';
      [stdio[files[0]], stdio[files[1]]] = [files[1], files[0]];
      const list = files.map((fd) => '/proc/self/fd/' + fd);
      const child = await spawnWithFds('readlink', [...list, '/proc/self/fd/{fd:0}', '/proc/self/fd/{fd:1}'],
        [files[0], a, files[0]], { stdio });
      const lines = (await text(child.stdout)).trim().split('\\n');
      console.log(lines[0], lines[1], lines[2], /^socket:/.test(lines[3]));
      await a.close();
      await b.close();`,
      [],
      options,
    );
    t.match(ended, { code: 0, output: '/etc/group /etc/passwd /etc/passwd true\n', errors: '' });
  });

  const told = { skip: !inNode && 'needs node: others open files of their own while they load' };
  t.test(
    `${runtime}: no descriptor for the thread: the error says so, and the next call tries again`,
    told,
    async (t) => {
      const ended = await runChild(
        `import { links } from 'tapfd';
      import { execFileSync } from 'node:child_process';
      import { closeSync, openSync } from 'node:fs';
      import { createRequire } from 'node:module';
      // What the addon is loaded with needs no descriptor any more.
      const require = createRequire(import.meta.resolve('tapfd'));
      require('bindings');
      require('detect-libc').familySync();
      require(process.argv[1]);
      execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=100:']);
      const files = [];
      try {
        for (;;) files.push(openSync('/dev/null', 'r'));
      } catch {}
      // The thread has two.
      closeSync(files.pop());
      await links.list().catch(({ code, syscall }) => console.log(code, syscall));
      for (const fd of files) closeSync(fd);
      console.log((await links.list()).length > 0);`,
        [inRepo('build/Release/tapfd.node')],
        options,
      );
      t.match(ended, { code: 0, output: 'EMFILE eventfd\ntrue\n', errors: '' });
    },
  );

  t.test(`${runtime}: a child in a namespace, with or without options`, async (t) => {
    const ended = await runChild(
      `import { createNetns } from 'tapfd';
      import { readlinkSync } from 'node:fs';
      import { text } from 'node:stream/consumers';
      const netns = await createNetns();
      const here = readlinkSync('/proc/self/ns/net');
      const ways = [
        ['readlink', ['/proc/self/ns/net']],
        ['readlink /proc/self/ns/net', { shell: true }],
        ['readlink', ['/proc/self/ns/net'], { stdio: ['ignore', 'pipe', 'pipe'] }],
      ];
      const seen = new Set();
      for (const way of ways) seen.add((await text(netns.spawn(...way).stdout)).trim());
      console.log(seen.size, seen.has(here), readlinkSync('/proc/thread-self/ns/net') === here);
      const gone = netns.spawn('/nonexistent');
      gone.on('error', async ({ code }) => { console.log(code); await netns.close(); });`,
      [],
      options,
    );
    t.match(ended, { code: 0, output: '1 false true\nENOENT\n', errors: '' });
  });
}

t.test(
  'deno: options that are none are refused as by spawn',
  { skip: !inNode && 'needs node: it is told' },
  async (t) => {
    const ended = await runChild(
      `import { createNetns } from 'tapfd';
      import { spawn } from 'node:child_process';
      const netns = await createNetns();
      const messageOf = (start, parameters) => {
        try {
          start(...parameters);
        } catch ({ code, message }) {
          return code + message;
        }
      };
      for (const parameters of [['true', 5], ['true', [], 5], ['true', [], 'x']]) {
        const message = messageOf(netns.spawn, parameters);
        console.log(message?.slice(0, 20), message === messageOf(spawn, parameters));
      }
      await netns.close();`,
      [],
      as('deno'),
    );
    t.match(ended, { code: 0, output: 'ERR_INVALID_ARG_TYPE true\n'.repeat(3), errors: '' });
  },
);

t.test(
  'deno: a child is of the group that this process has, in a user namespace of the only one there',
  { skip: (!inNode && 'needs node: it is told') || needs('root', 'netns') },
  async (t) => {
    const ended = await runChild(
      `import { createNetns } from 'tapfd';
      import { text } from 'node:stream/consumers';
      process.setegid(65534);
      for (const options of [{}, { userNamespace: true }]) {
        const netns = await createNetns(options);
        const child = netns.spawn('id', ['-g'], { stdio: ['ignore', 'pipe', 'inherit'] });
        console.log(await text(child.stdout));
        await netns.close();
      }`,
      [],
      as('deno'),
    );
    t.match(ended, { code: 0, output: '65534\n\n0\n\n', errors: '' });
  },
);

t.test(
  'a version that is too old is refused, before the addon is loaded',
  { skip: !inNode && 'needs node: it is told' },
  async (t) => {
    for (const [runtime, version, least] of [
      ['bun', '1.3.9', '1.4'],
      ['deno', '2.8.3', '2.9'],
      ['deno', '1.46.0', '2.9'],
    ] as const) {
      const { output } = await runChild(
        `import { links } from 'tapfd';
      await links.list().catch(({ code, message }) => console.log(code, message));`,
        [],
        as(runtime, version),
      );
      t.match(output, `ERR_TAPFD_UNSUPPORTED_RUNTIME`);
      t.match(output, `this is ${runtime} ${version}`);
      t.match(output, `use ${runtime} ${least} or later`);
    }
    const { output } = await runChild(
      `import { links } from 'tapfd';
    console.log((await links.list()).length > 0);`,
      [],
      as('bun', '2.0.0'),
    );
    t.equal(output, 'true\n', 'and a later one is not');
  },
);
