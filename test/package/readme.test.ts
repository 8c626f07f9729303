/** The programs of the README, as they stand there, on the real kernel: the first frame, and a guest's network. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import t, { type Test } from 'tap';
import { needs } from '../kit/capabilities.js';
import { startChild } from '../kit/child.js';
import { codeBlocks, readDocument } from '../kit/markdown.js';
import { ownNamespace, run, type TestNamespace } from '../kit/namespace.js';

const [firstFrame, guestNetwork] = codeBlocks(readDocument('README.md')).filter(
  ({ language }) => language === 'js',
);

interface Program {
  child: ChildProcess;
  /** Resolves when it has printed this; fails when it ends without. */
  printed(text: string): Promise<void>;
  /** Everything that it and its children have printed, when they have ended. */
  ended: Promise<string>;
}

/** Runs a program of the README inside a namespace, saved to a file in a directory of its own. */
function runProgram(directory: string, ns: TestNamespace, code: string, path: string[] = []): Program {
  const file = join(directory, 'first.mjs');
  writeFileSync(file, code);
  const child = spawn('ip', ['netns', 'exec', ns.name, process.execPath, file], {
    cwd: directory,
    env: { ...process.env, PATH: [...path, process.env.PATH].join(delimiter) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      child.emit('output');
    });
  }
  let over = false;
  const ended = once(child, 'close').then(() => {
    over = true;
    child.emit('output');
    return output;
  });
  return {
    child,
    async printed(text) {
      while (!output.includes(text)) {
        if (over) throw new Error(`ended without "${text}": ${output}`);
        await once(child, 'output');
      }
    },
    ended,
  };
}

t.test('the first frame', { skip: needs('root', 'tun-device', 'ip', 'ping') }, async (t) => {
  t.ok(firstFrame.code.split('\n').filter((line) => line !== '').length <= 15, 'is short');
  const ns = await ownNamespace(t);
  const program = runProgram(t.testdir(), ns, firstFrame.code);
  t.teardown(() => program.child.kill('SIGKILL'));
  await program.printed('tun0 is up. Try: ping 10.77.0.2');
  t.equal(await ns.ping('10.77.0.2', 3), 3, 'ping accepts its answers');
  t.equal(await ns.ping('10.77.0.99', 1), 1, 'for every address');
  program.child.kill('SIGINT');
  t.match(await program.ended, 'ping from 10.77.0.1');
  t.same(await ns.linkNames(), [], 'Ctrl-C takes the interface along');
});

/**
 * Comes before QEMU in PATH and gives it a boot ROM for its cards, which the README takes for granted and Debian
 * packages separately.
 */
function qemuWithRom(t: Test): string {
  const directory = t.testdir({ 'efi-virtio.rom': 'for no guest that boots from the network' });
  const wrapper = `#!/bin/sh\nPATH="\${PATH#*:}"\nexec qemu-system-x86_64 -L '${directory}' "$@"\n`;
  writeFileSync(join(directory, 'qemu-system-x86_64'), wrapper, { mode: 0o755 });
  return directory;
}

/** The command line of a process's only child, and the devices that it holds. */
function onlyChildOf(pid: number) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  const child = Number(children[0]);
  // QEMU may close one in the meantime.
  const fds = readdirSync(`/proc/${child}/fd`).flatMap((fd) => {
    try {
      return {
        info: readFileSync(`/proc/${child}/fdinfo/${fd}`, 'utf8'),
        file: readlinkSync(`/proc/${child}/fd/${fd}`),
      };
    } catch {
      return [];
    }
  });
  return {
    count: children.length,
    pid: child,
    args: readFileSync(`/proc/${child}/cmdline`, 'utf8').split('\0'),
    taps: fds.flatMap(({ info }) => /^iff:\s*(\S+)/m.exec(info)?.[1] ?? []),
    macvtaps: fds.filter(({ file }) => /\/tap\d*( \(deleted\))?$/.test(file)).length,
  };
}

t.test(
  "a guest's network",
  { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'ip', 'qemu') },
  async (t) => {
    const ns = await ownNamespace(t);
    await ns.ip('link', 'add', 'br0', 'up', 'type', 'bridge');
    await ns.ip('link', 'add', 'eth0', 'up', 'type', 'veth');
    const before = (await ns.linkNames()).sort();
    const directory = qemuWithRom(t);
    writeFileSync(join(directory, 'guest.img'), Buffer.alloc(1 << 20));
    const program = runProgram(directory, ns, guestNetwork.code, [directory]);
    t.teardown(() => program.child.kill('SIGKILL'));
    await program.printed('SeaBIOS');
    const qemu = onlyChildOf(program.child.pid ?? 0);
    t.teardown(() => kill(qemu.pid));
    t.match(qemu, { count: 1, taps: ['tap0'], macvtaps: 1 });
    t.ok(
      qemu.args.some((arg) => arg.includes('mac=52:54:00:12:34:80')),
      'the card has the MAC of the macvtap',
    );
    t.match(await ns.link('macvtap0'), { address: '52:54:00:12:34:80' });
    t.match(await ns.link('tap0'), { master: 'br0' });
    process.kill(qemu.pid, 'SIGTERM');
    t.match(await program.ended, 'QEMU ended with 0');
    t.equal(program.child.exitCode, 0);
    t.same((await ns.linkNames()).sort(), before, 'the devices went with QEMU');
  },
);

t.test(
  'what a signal leaves, and how not to',
  { skip: needs('root', 'macvtap', 'veth', 'ip') },
  async (t) => {
    const ns = await ownNamespace(t);
    await ns.ip('link', 'add', 'lower', 'up', 'type', 'veth');
    const before = (await ns.linkNames()).sort();
    const open = (listener: string) => {
      const code = `import { createNetns, openMacvtap } from 'tapfd';
      ${listener}
      const { path } = await createNetns('tapfd-' + process.pid + '-left');
      const device = await openMacvtap({ netns: process.argv[1], lower: 'lower' });
      device.resume();
      console.log(path);`;
      return startChild(code, [ns.name]);
    };
    const listening = open("process.once('SIGTERM', () => process.exit(143));");
    await listening.printed('/run/netns/');
    listening.kill('SIGTERM');
    const orderly = await listening.ended;
    t.equal(orderly.code, 143);
    t.notOk(existsSync(orderly.output.trim()));
    t.same((await ns.linkNames()).sort(), before, 'with a listener nothing is left');

    const without = open('');
    await without.printed('/run/netns/');
    without.kill('SIGTERM');
    const { signal, output } = await without.ended;
    t.equal(signal, 'SIGTERM');
    t.ok(existsSync(output.trim()), 'the namespace is left');
    await run('ip', 'netns', 'delete', basename(output.trim()));
    t.same((await ns.linkNames()).sort(), [...before, 'macvtap0'].sort(), 'and the link');
    await ns.ip('link', 'delete', 'macvtap0');
  },
);

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}
