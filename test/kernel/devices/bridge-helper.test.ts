/**
 * TAPs through QEMU's setuid helper: for an ordinary user who is allowed one bridge and not another; and faulty helpers
 * of the test's own.
 *
 * The file runs itself again in network and mount namespaces of its own, where `/etc/qemu/bridge.conf` and
 * `/dev/net/tun` are what the test puts there.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { links, openTapFromBridgeHelper } from 'tapfd';
import { findBridgeHelper, helperFailure } from '#lib/devices/bridge-helper.js';
import { EthernetHost } from '../../../examples/ethernet-host.ts';
import { needs } from '../../kit/capabilities.js';
import { childCommand } from '../../kit/child.js';
import { compiledExamples } from '../../kit/examples.js';
import { openFiles, settledFiles, socketDirectory } from '../../kit/open-files.js';
import { ROOT } from '../../kit/paths.js';
import { readableCopy } from '../../kit/readable-copy.js';

const INSIDE = 'TAPFD_TEST_BRIDGE_HELPER';
const HELPER = '/usr/lib/qemu/qemu-bridge-helper';
/** Debian's nobody and nogroup. */
const NOBODY = 65_534;

const run = promisify(execFile);

if (process.env[INSIDE] === undefined) {
  const skip = needs('root', 'tun-device', 'netns', 'ip', 'ping', 'bridge', 'python3', 'bridge-helper');
  t.test('in namespaces of its own', { skip }, (t) => {
    const env = { ...process.env, [INSIDE]: socketDirectory(t) };
    const self = [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)];
    return t.spawn('unshare', ['--net', '--mount', '--', ...self], { env });
  });
} else {
  await inside(process.env[INSIDE]);
}

/** Provides what the helper looks at, in this mount namespace alone. */
function furnish(directory: string): string {
  chmodSync(directory, 0o755);
  mkdirSync(`${directory}/etc/qemu`, { recursive: true });
  for (const name of ['passwd', 'group', 'ld.so.cache'])
    copyFileSync(`/etc/${name}`, `${directory}/etc/${name}`);
  writeFileSync(
    `${directory}/etc/qemu/bridge.conf`,
    'allow allowed\nallow missing\nallow wire\ndeny denied\n',
  );
  execFileSync('mknod', ['-m', '666', `${directory}/tun`, 'c', '10', '200']);
  const helper = `${directory}/qemu-bridge-helper`;
  copyFileSync(HELPER, helper);
  chmodSync(helper, 0o4755);
  execFileSync('mount', ['--bind', `${directory}/tun`, '/dev/net/tun']);
  execFileSync('mount', ['--bind', `${directory}/etc`, '/etc']);
  return helper;
}

async function linkNames(): Promise<string[]> {
  return (await links.list()).map(({ name }) => name).sort();
}

async function inside(directory: string): Promise<void> {
  const copy = await readableCopy(t);
  const helperPath = furnish(directory);
  await links.create({ kind: 'bridge', name: 'allowed', up: true });
  await links.addAddress('allowed', '10.9.0.1/24');
  for (const name of ['denied', 'unknown']) await links.create({ kind: 'bridge', name });
  await links.create({ kind: 'veth', name: 'wire', peer: { name: 'far' } });
  const before = await linkNames();

  /** The example's host, where an ordinary user can read it. */
  copyFileSync(`${compiledExamples()}/ethernet-host.js`, `${copy}/ethernet-host.js`);
  chmodSync(`${copy}/ethernet-host.js`, 0o644);

  /** Runs a call as an ordinary user, and `use` with the `tap` that comes of it, which is closed then. */
  async function asNobody(expression: string, use = '({})'): Promise<unknown> {
    const module = `
      import { spawn } from 'node:child_process';
      import { once } from 'node:events';
      import { readdirSync } from 'node:fs';
      import { setTimeout as wait } from 'node:timers/promises';
      import { openTapFromBridgeHelper } from 'tapfd';
      import { EthernetHost } from './ethernet-host.js';
      const files = () => readdirSync('/proc/self/fd').length;
      // Node keeps a descriptor of /dev/null from the first process that it starts.
      await once(spawn('true'), 'close');
      const before = files();
      const outcome = await ${expression}.then(
        async (tap) => {
          const { kind, name, flags } = tap;
          const used = await ${use};
          await tap[Symbol.asyncDispose]();
          return { kind, name, vnetHeader: flags.vnetHeader, ...used };
        },
        ({ code, message, detail }) => ({ code, message, detail }),
      );
      // Another thread may still be closing.
      for (const giveUp = Date.now() + 10_000; files() !== before && Date.now() < giveUp; ) await wait(2);
      const left = files() - before;
      process.stdout.write(JSON.stringify({ uid: process.getuid(), left, ...outcome }));
      process.exit();`;
    // The runner's settings for Node name files that this user may not write.
    const unset = ['NODE_OPTIONS', 'NODE_V8_COVERAGE', 'NODE_EXTRA_CA_CERTS'].map(
      (name) => `--unset=${name}`,
    );
    const child = spawn('env', [...unset, ...childCommand(module, [], [], copy)], {
      cwd: copy,
      uid: NOBODY,
      gid: NOBODY,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return JSON.parse(await text(child.stdout));
  }
  const call = (options: object) => `openTapFromBridgeHelper(${JSON.stringify({ helperPath, ...options })})`;

  t.test('an ordinary user: allowed, and frames flow', async (t) => {
    const host = `new EthernetHost(tap, { mac: '52:54:00:00:00:03', address: '10.9.0.3' })`;
    const exchanged = await asNobody(
      call({ bridge: 'allowed' }),
      `${host}.ping('10.9.0.1').then(({ payload }) => ({ answer: payload.toString() }))`,
    );
    const ours = { uid: NOBODY, left: 0, kind: 'tap' };
    t.match(exchanged, { ...ours, vnetHeader: false, answer: 'frames from JavaScript' });
    t.match(await asNobody(call({ bridge: 'allowed', vnetHeader: true })), { ...ours, vnetHeader: true });
    t.same(await linkNames(), before, 'a TAP goes with who has it');
  });

  t.test('an ordinary user: refused', async (t) => {
    for (const bridge of ['denied', 'unknown']) {
      t.match(await asNobody(call({ bridge })), {
        uid: NOBODY,
        left: 0,
        code: 'ERR_TAPFD_BRIDGE_HELPER',
        detail: 'access denied by acl file',
        message: new RegExp(`bridge\\.conf.*"allow ${bridge}"`),
      });
    }
    t.match(await asNobody(call({ bridge: 'missing' })), { left: 0, message: /there is no bridge missing/ });
    t.match(await asNobody(call({ bridge: 'wire' })), { left: 0, message: /is wire a bridge\?/ });
    chmodSync(helperPath, 0o755);
    t.match(await asNobody(call({ bridge: 'allowed' })), { left: 0, message: /chmod u\+s/ });
    chmodSync(helperPath, 0o4755);
    chmodSync('/dev/net/tun', 0o600);
    t.match(await asNobody(call({ bridge: 'allowed' })), { left: 0, message: /chmod 666 \/dev\/net\/tun/ });
    chmodSync('/dev/net/tun', 0o666);
    chmodSync('/etc/qemu/bridge.conf', 0o600);
    t.match(await asNobody(call({ bridge: 'allowed' })), { left: 0, message: /must be able to read/ });
    chmodSync('/etc/qemu/bridge.conf', 0o644);
    t.same(await linkNames(), before);
  });

  t.test('frames flow, and the TAP goes with its descriptor', async (t) => {
    const files = openFiles();
    const tap = await openTapFromBridgeHelper({ bridge: 'allowed', helperPath, readableHighWaterMark: 8 });
    t.equal((await links.get(tap.name)).master, (await links.get('allowed')).index);
    const host = new EthernetHost(tap, { mac: '52:54:00:00:00:02', address: '10.9.0.2' });
    // One at a time: after its first answer ping(8) waits for the others no longer than for that.
    for (let i = 0; i < 2; i++) await run('ping', ['-n', '-c', '1', '-W', '5', '10.9.0.2']);
    t.equal(host.answered, 2);
    await tap[Symbol.asyncDispose]();
    t.same(await linkNames(), before);
    t.equal(await settledFiles(files), files);
  });

  t.test('bad input starts nothing', async (t) => {
    for (const [options, argument] of [
      [{}, 'bridge'],
      [{ bridge: 'a/b' }, 'bridge'],
      [{ bridge: 'allowed', helperPath: '' }, 'helperPath'],
      [{ bridge: 'allowed', vnetHeader: 1 }, 'vnetHeader'],
      [{ bridge: 'allowed', readableHighWaterMark: 0 }, 'readableHighWaterMark'],
      [{ bridge: 'allowed', signal: 1 }, 'signal'],
      [{ bridge: 'allowed', netns: 'x' }, 'netns'],
    ] as const) {
      // @ts-expect-error -- wrong types
      const opened = openTapFromBridgeHelper(options);
      await t.rejects(opened, { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument });
    }
  });

  t.test('finding the helper', async (t) => {
    t.equal(await findBridgeHelper(undefined), HELPER);
    const missing = { code: 'ERR_TAPFD_BRIDGE_HELPER', message: /qemu-system-common/ };
    await t.rejects(findBridgeHelper(undefined, ['/nowhere/helper', '/nowhere/other']), missing);
    await t.rejects(openTapFromBridgeHelper({ bridge: 'allowed', helperPath: '/etc/passwd' }), {
      ...missing,
      path: '/etc/passwd',
    });
  });

  t.test('what its words mean', async (t) => {
    for (const [bridge, message] of [
      ['denied', /bridge\.conf/],
      ['missing', /there is no bridge missing/],
      ['wire', /is wire a bridge\?/],
    ] as const) {
      const opened = openTapFromBridgeHelper({ bridge, helperPath, vnetHeader: true });
      await t.rejects(opened, { code: 'ERR_TAPFD_BRIDGE_HELPER', interface: bridge, message });
    }
    const end = { status: 1, complaint: 'failed to open /dev/net/tun: Permission denied' };
    t.match(await helperFailure(helperPath, 'br0', end), { message: /nosuid/, detail: end.complaint });
    for (const path of [HELPER, '/nowhere/helper']) {
      t.match(await helperFailure(path, 'br0', end), { message: /chmod u\+s/, path });
    }
  });

  /** A helper of the test's own, in Python; `peer` is the socket. */
  function helper(t: Test, script: string): string {
    const path = `${directory}/helper-${t.name.replace(/\W/g, '-')}`;
    writeFileSync(
      path,
      `#!/usr/bin/env python3\nimport fcntl, os, socket, struct, sys, time\npeer = socket.socket(fileno=3)\n${script}\n`,
    );
    chmodSync(path, 0o755);
    t.teardown(() => rmSync(path, { force: true }));
    return path;
  }
  const TUN = (flags: number, name: string) => `
tun = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack('16sH22x', b'${name}', ${flags}))
socket.send_fds(peer, [b'x'], [tun])
`;

  t.test('helpers that go wrong leave nothing', async (t) => {
    const files = openFiles();
    const failed = { code: 'ERR_TAPFD_BRIDGE_HELPER', interface: 'allowed' };
    const wrong: [string, string, { code: string; message?: RegExp; detail?: string; interface?: string }][] =
      [
        [
          'silent',
          '',
          { ...failed, message: /ended with status 0 and said nothing; .*qemu-bridge-helper\?/ },
        ],
        ['complains', 'sys.exit("something odd")', { ...failed, detail: 'something odd' }],
        [
          'complains, and leaves a child that keeps everything open',
          'if os.fork() == 0: time.sleep(1000)\nsys.exit("something odd")',
          { ...failed, detail: 'something odd' },
        ],
        ['killed', 'os.kill(os.getpid(), 9)', { ...failed, message: /was ended by SIGKILL/ }],
        ['sends and fails', `${TUN(0x1002, 'lost')}\nsys.exit(3)`, { ...failed, message: /status 3/ }],
        ['two descriptors', 'socket.send_fds(peer, [b"x"], [0, 1])', failed],
        ['no descriptor', 'peer.send(b"x")', failed],
        ['no device', 'socket.send_fds(peer, [b"x"], [0])', { code: 'ERR_TAPFD_NOT_A_DEVICE' }],
        ['a TUN', TUN(0x1001, 'tun'), { code: 'ERR_TAPFD_WRONG_DEVICE', message: /not a TAP/ }],
        ['a TAP elsewhere', TUN(0x1002, 'stray'), { code: 'ERR_TAPFD_WRONG_DEVICE', interface: 'stray' }],
      ];
    for (const [name, script, error] of wrong) {
      await t.test(name, async (t) => {
        const opened = openTapFromBridgeHelper({ bridge: 'allowed', helperPath: helper(t, script) });
        await t.rejects(opened, error);
        t.same(await linkNames(), before);
        t.equal(await settledFiles(files), files);
      });
    }
  });

  t.test('no descriptor is left for what the helper sends', async (t) => {
    const [ready, go] = [`${directory}/ready`, `${directory}/go`];
    const path = helper(
      t,
      `open('${ready}', 'w')\nwhile not os.path.exists('${go}'): time.sleep(0.01)\n${TUN(0x1002, 'lost')}\ntime.sleep(1000)`,
    );
    const module = `
      import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs';
      import { openTapFromBridgeHelper } from 'tapfd';
      const opened = openTapFromBridgeHelper({ bridge: 'allowed', helperPath: '${path}' });
      opened.catch(() => undefined);
      while (!existsSync('${ready}')) await new Promise((resolve) => setTimeout(resolve, 5));
      const all = [];
      try {
        for (;;) all.push(openSync('/dev/null'));
      } catch {}
      closeSync(all.pop());
      writeFileSync('${go}', '');
      all.push(openSync('/dev/null'));
      const error = await opened.catch((error) => error);
      for (const fd of all) closeSync(fd);
      console.log(error.code, error.syscall);`;
    const command = ['--nofile=64', ...childCommand(module)];
    const { stdout } = await run('prlimit', command, { cwd: ROOT });
    t.equal(stdout, 'ERR_TAPFD_FDS_TRUNCATED recvmsg\n');
    for (const file of [ready, go]) rmSync(file);
    t.same(await linkNames(), before);
  });

  t.test('a helper that hangs ends with the signal', async (t) => {
    const files = openFiles();
    for (const start of ['', TUN(0x1002, 'lost')]) {
      const mark = `${directory}/running`;
      const path = helper(
        t,
        `${start}\nopen('${mark}', 'w').write(str(os.getpid()))\nos.fork()\ntime.sleep(1000)`,
      );
      const controller = new AbortController();
      const opened = openTapFromBridgeHelper({
        bridge: 'allowed',
        helperPath: path,
        signal: controller.signal,
      });
      const reason = new Error('enough');
      const refused = t.rejects(opened, reason);
      while (!existsSync(mark)) await new Promise((resolve) => setTimeout(resolve, 5));
      controller.abort(reason);
      await refused;
      rmSync(mark);
      await t.rejects(
        openTapFromBridgeHelper({ bridge: 'allowed', helperPath: path, signal: controller.signal }),
        reason,
      );
      t.equal(await settledFiles(files), files);
    }
    // A process that the helper has started is not the library's to end; the test ends its own.
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const command = await run('cat', [`/proc/${pid}/cmdline`]).catch(() => ({ stdout: '' }));
      if (command.stdout.includes(`${directory}/helper-`)) process.kill(Number(pid), 'SIGKILL');
    }
  });
}
