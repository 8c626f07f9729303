/** How a process with devices ends: by itself, at once, and with nothing left. */
import { readdirSync } from 'node:fs';
import t from 'tap';
import { adoptFd, FdSocket, links, openMacvtap, openTap, openTun } from 'tapfd';
import { fileNeeds } from '../kit/capabilities.js';
import { runChild, startChild } from '../kit/child.js';
import { ownNamespace, type TestNamespace } from '../kit/namespace.js';
import { descriptorTargets } from '../kit/open-files.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

/** Opens one device of each kind in the namespace given; the macvtap's link is made by the call. */
const OPEN_ALL = `
  import { openTap, openTun, openMacvtap } from 'tapfd';
  const netns = process.argv[1];
  const devices = [
    await openTap({ netns }), await openTun({ netns }), await openMacvtap({ netns, lower: 'lower' }),
  ];
`;

async function namespaceWithLower(t: Parameters<typeof ownNamespace>[0]): Promise<TestNamespace> {
  const ns = await ownNamespace(t);
  await ns.wire('lower', 'other');
  return ns;
}

const BEFORE = ['lower', 'other'];

t.test('a process whose devices are destroyed ends by itself', async (t) => {
  const ns = await namespaceWithLower(t);
  const ended = await runChild(
    `${OPEN_ALL}
    for (const device of devices) device.on('close', () => console.log('closed ' + device.kind)).destroy();`,
    [ns.name],
  );
  t.match(ended, { code: 0, errors: '' });
  t.same(ended.output.trim().split('\n').sort(), ['closed macvtap', 'closed tap', 'closed tun']);
  t.same((await ns.linkNames()).sort(), BEFORE);
});

t.test('devices that are idle do not keep a process, and go with it', async (t) => {
  const ns = await namespaceWithLower(t);
  t.match(await runChild(`${OPEN_ALL} console.log(devices.length)`, [ns.name]), { code: 0, output: '3\n' });
  t.same((await ns.linkNames()).sort(), BEFORE);
});

t.test('a device that is read keeps the process until unref', async (t) => {
  const ns = await namespaceWithLower(t);
  const kept = startChild(
    `${OPEN_ALL}
    for (const device of devices) device.resume();
    process.on('SIGUSR2', () => { for (const device of devices) device.unref(); console.log('unref'); });
    // The ref'd signal handle does not hold the loop: only the devices do.
    console.log('reading');`,
    [ns.name],
  );
  await kept.printed('reading');
  t.ok(readdirSync(`/proc/${kept.pid}/fd`).length > 0, 'still there');
  kept.kill('SIGUSR2');
  t.match(await kept.ended, { code: 0, errors: '' });
  const again = await runChild(
    `${OPEN_ALL}
    for (const device of devices) device.unref().resume();
    for (const device of devices) device.ref().pause().unref();`,
    [ns.name],
  );
  t.match(again, { code: 0, errors: '' });
  t.same((await ns.linkNames()).sort(), BEFORE);
});

t.test('process.exit(), an exception, and a rejection in the middle leave nothing', async (t) => {
  for (const end of ['process.exit(3)', 'throw new Error("end")', 'Promise.reject(new Error("end"))']) {
    const ns = await namespaceWithLower(t);
    const ended = await runChild(
      `${OPEN_ALL}
      for (const device of devices) device.resume();
      openTap({ netns }); openMacvtap({ netns, lower: 'lower' });
      setImmediate(() => { ${end} });`,
      [ns.name],
    );
    t.equal(ended.signal, null, `${end}: ${ended.errors}`);
    t.not(ended.code, 0);
    t.same((await ns.linkNames()).sort(), BEFORE, end);
  }
});

t.test('a signal takes TUN and TAP along', async (t) => {
  const ns = await namespaceWithLower(t);
  const child = startChild(
    `${OPEN_ALL} for (const device of devices) device.resume(); console.log('open');`,
    [ns.name],
  );
  await child.printed('open');
  child.kill('SIGKILL');
  t.match(await child.ended, { signal: 'SIGKILL' });
  // No process is left that could remove the macvtap's link: the README says so.
  t.same((await ns.linkNames()).sort(), [...BEFORE, 'macvtap0'].sort());
});

t.test('idle devices leave the thread pool alone', async (t) => {
  const ns = await namespaceWithLower(t);
  const ended = await runChild(
    `import { readFile } from 'node:fs/promises';
    import { openTap } from 'tapfd';
    const netns = process.argv[1];
    const taps = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(() => openTap({ netns })));
    for (const tap of taps) tap.resume();
    const text = await readFile('package.json', 'utf8');
    console.log(JSON.parse(text).name);
    for (const tap of taps) tap.destroy();`,
    [ns.name],
  );
  t.match(ended, { code: 0, output: 'tapfd\n', errors: '' });
});

/** What the descriptors of a process are, without those of no file or socket, which all look alike. */
function namedDescriptors(pid?: number): string[] {
  return descriptorTargets(pid).filter((target) => !target.startsWith('anon_inode:'));
}

t.test('no descriptor reaches an unrelated child process', async (t) => {
  const ns = await namespaceWithLower(t);
  const netns = ns.name;
  const before = namedDescriptors();
  const watching = links.watch({ netns });
  t.teardown(() => watching.return?.());
  const event = watching.next();
  const tap = await openTap({ netns });
  const devices = [
    tap,
    await openTun({ netns }),
    await openMacvtap({ netns, lower: 'lower' }),
    await adoptFd((await openTap({ netns })).handOff(), { netns }),
  ];
  t.teardown(() => Promise.all(devices.map((device) => device[Symbol.asyncDispose]())));
  tap.resume();
  const sockets = FdSocket.pair();
  t.teardown(() => Promise.all(sockets.map((socket) => socket.close())));
  await event;
  const ours = namedDescriptors().filter((target) => !before.includes(target));
  for (const kind of [/net\/tun$/, /\/tap\d+$|tapfd/, /^socket:/, /netns\/|^net:/]) {
    t.ok(
      ours.some((target) => kind.test(target)),
      `there is something to leak: ${kind}`,
    );
  }

  const child = startChild(`console.log('up'); setInterval(() => {}, 1000);`);
  await child.printed('up');
  const theirs = namedDescriptors(child.pid);
  child.kill('SIGTERM');
  await child.ended;
  t.same(
    theirs.filter((target) => ours.includes(target)),
    [],
  );
});

t.test('a forgotten device is closed by the garbage collector, which says so', async (t) => {
  const ns = await namespaceWithLower(t);
  const ended = await runChild(
    `import { openTap, openMacvtap, links } from 'tapfd';
    const netns = process.argv[1];
    const warned = [];
    process.on('warning', (warning) => warned.push(warning.code));
    for (let i = 0; i < 3; i++) await openTap({ netns });
    await openMacvtap({ netns, lower: 'lower' });
    const kept = await openTap({ netns, name: 'kept' });
    const read = await openTap({ netns, name: 'read' });
    read.resume().unref();
    const names = async () => (await links.list({ netns })).map((link) => link.name).sort().join();
    const wanted = 'kept,lo,lower,other,read';
    while (await names() !== wanted || warned.length < 4) { gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }
    console.log(warned.join(), kept.name, read.name);
    kept.destroy(); read.destroy();`,
    [ns.name],
    ['--expose-gc', '--no-warnings'],
  );
  const warning = 'TAPFD_FORGOTTEN_DEVICE';
  t.match(ended, { code: 0, output: `${Array(4).fill(warning).join()} kept read\n`, errors: '' });
});

t.test('a close that waits for the thread pool is not lost with the process', async (t) => {
  const ns = await namespaceWithLower(t);
  const ended = await runChild(
    `process.env.UV_THREADPOOL_SIZE = '1';
    const { openMacvtap } = await import('tapfd');
    const { pbkdf2 } = await import('node:crypto');
    const device = await openMacvtap({ netns: process.argv[1], lower: 'lower' });
    // Longer than this process lives.
    pbkdf2('', '', 1_000_000, 64, 'sha512', () => console.log('over'));
    device.destroy();
    setImmediate(() => setImmediate(() => { console.log(device.fd); process.exit(); }));`,
    [ns.name],
  );
  t.match(ended, { code: 0, output: '-1\n', errors: '' });
  t.same((await ns.linkNames()).sort(), BEFORE);
});

t.test('a forgotten link goes even if the process ends as it is collected', async (t) => {
  const ns = await namespaceWithLower(t);
  const ended = await runChild(
    `import { openMacvtap } from 'tapfd';
    await openMacvtap({ netns: process.argv[1], lower: 'lower' });
    await new Promise(setImmediate);
    gc();
    setImmediate(() => setImmediate(() => process.exit()));`,
    [ns.name],
    ['--expose-gc', '--no-warnings'],
  );
  t.match(ended, { code: 0, errors: '' });
  t.same((await ns.linkNames()).sort(), BEFORE);
});

t.test(
  'a link stays with a descriptor that was handed off, whatever the garbage collector does',
  async (t) => {
    const ns = await namespaceWithLower(t);
    const ended = await runChild(
      `import { openMacvtap, links } from 'tapfd';
    const netns = process.argv[1];
    (await openMacvtap({ netns, lower: 'lower', name: 'given' })).handOff();
    await openMacvtap({ netns, lower: 'lower', name: 'forgotten' });
    const closed = await openMacvtap({ netns, lower: 'lower', name: 'closed' });
    closed.handOff();
    void closed.close();
    const names = async () => (await links.list({ netns })).map((link) => link.name).sort();
    while (/forgotten|closed/.test(await names())) { gc(); await new Promise(setImmediate); }
    console.log((await names()).join());`,
      [ns.name],
      ['--expose-gc', '--no-warnings'],
    );
    t.match(ended, { code: 0, output: 'given,lo,lower,other\n', errors: '' });
    t.same((await ns.linkNames()).sort(), BEFORE, 'it goes with the process');
  },
);

t.test('an uncaught EMFILE: a process without a descriptor to spare leaves no link', async (t) => {
  const ns = await namespaceWithLower(t);
  const ended = await runChild(
    // Alone: the descriptor of a device that is closed before would be one to spare.
    `import { openMacvtap } from 'tapfd';
    import { execFileSync } from 'node:child_process';
    import { openSync } from 'node:fs';
    await openMacvtap({ netns: process.argv[1], lower: 'lower' });
    execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=200:200']);
    for (;;) openSync('/dev/null');`,
    [ns.name],
  );
  t.match(ended, { code: 1, errors: /EMFILE/ });
  t.same((await ns.linkNames()).sort(), BEFORE);
});
