/** `tapfd dump`: frames as text, as JSON and as pcapng that tshark reads. */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openTap } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { bash, COMMAND, commandWords, startTapfd, tapfd } from '../../kit/command.js';
import { quietNamespace, run, type TestNamespace } from '../../kit/namespace.js';
import { type StartedProgram, startProgram } from '../../kit/started-program.js';

fileNeeds(t, 'root', 'tun-device', 'netns', 'veth', 'macvtap', 'ip', 'ping');

const ADDRESS = 'address=10.9.0.1/24';

/** Has the kernel ask for 10.9.0.N, which nobody answers, until the program ends. */
async function askUntilEnd(ns: TestNamespace, program: StartedProgram) {
  let over = false;
  const ended = program.ended.finally(() => {
    over = true;
  });
  for (let i = 2; !over; i = (i % 250) + 2) {
    await ns.exec('ping', '-c', '1', '-W', '0.2', `10.9.0.${i}`).catch(() => undefined);
  }
  return ended;
}

t.test('as text, line by line, until so many have come', async (t) => {
  const ns = await quietNamespace(t);
  const { code, output, errors } = await askUntilEnd(
    ns,
    startTapfd(['dump', '--tap', `t0,${ADDRESS}`, '-c', '2'], { ns }),
  );
  t.equal(code, 0, errors);
  t.match(
    output,
    /^\d\d:\d\d:\d\d\.\d{3} [\da-f:]{17} > ff:ff:ff:ff:ff:ff, ARP, request who-has 10\.9\.0\.\d+ tell 10\.9\.0\.1\n.*\n$/,
  );
  t.match(errors, /^tapfd dump: tap t0, MAC .*\n/);
  t.match(errors, /2 frames, \d+ bytes\n$/);
});

t.test('as JSON, of a TUN, with packet information and cut', async (t) => {
  const ns = await quietNamespace(t);
  const args = ['dump', '--tun', `u0,packet-info=on,${ADDRESS}`, '--json', '-c', '1', '-q', '-s', '24'];
  const { output, errors } = await askUntilEnd(ns, startTapfd(args, { ns }));
  const { bytes, summary, fields } = JSON.parse(output);
  t.equal(bytes, 84, 'without the packet information');
  t.equal(fields['ipv4.source'], '10.9.0.1');
  t.match(fields.payload, /^0800[\da-f]{4}$/);
  t.match(summary, /^IP 10\.9\.0\.1 > 10\.9\.0\.\d+/);
  t.equal(errors, '');
});

t.test('as pcapng into tshark', { skip: needs('tshark') }, async (t) => {
  const ns = await quietNamespace(t);
  const line = `tapfd dump --tap t0,${ADDRESS} -w - -c 3 | tshark -i - -c 3 -T fields -e arp.src.proto_ipv4`;
  const { output } = await askUntilEnd(ns, bash(line, ns));
  t.equal(output, '10.9.0.1\n'.repeat(3));
});

t.test('into a file, and into a ring of files', { skip: needs('tshark') }, async (t) => {
  const ns = await quietNamespace(t);
  const directory = t.testdir();
  const file = join(directory, 'one.pcapng');
  await askUntilEnd(
    ns,
    startTapfd(['dump', '--tap', ADDRESS, '-w', file, '-c', '2', '-s', '20', '-q'], { ns }),
  );
  t.equal(await run('tshark', '-r', file, '-T', 'fields', '-e', 'frame.cap_len'), '20\n20\n');
  const ring = join(directory, 'ring.pcapng');
  await askUntilEnd(
    ns,
    startTapfd(['dump', '--tap', ADDRESS, '-w', ring, '--ring', '2x1', '-c', '1'], { ns }),
  );
  t.ok(readdirSync(directory).some((name) => name.startsWith('ring-')));
  const failed = await tapfd(['dump', '--tap', '', '-w', join(directory, 'no/such')], { ns });
  t.equal(failed.code, 1);
  t.match(failed.errors, 'ENOENT');
});

t.test('what the disk had no room for is no success', async (t) => {
  const ns = await quietNamespace(t);
  const directory = t.testdir();
  // One page: room for the beginning of the third frame.
  await run('mount', '-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', directory);
  t.teardown(() => run('umount', directory));
  const args = ['dump', '--tap', `t0,ipv6=off,${ADDRESS}`, '-c', '3', '-w', join(directory, 'a.pcapng')];
  const dump = startTapfd(args, { ns });
  await dump.printed('Ctrl-C');
  await ns.ip('neigh', 'replace', '10.9.0.2', 'lladdr', '02:00:00:00:00:02', 'dev', 't0');
  // Nobody answers.
  const ping = ['ping', '-c', '3', '-i', '0.01', '-s', '1350', '-W', '0.1', '10.9.0.2'] as const;
  await ns.exec(...ping).catch(() => undefined);
  const { code, errors } = await dump.ended;
  t.equal(code, 1);
  t.match(errors, 'ENOSPC');
});

t.test('a device that is there is left as it was', async (t) => {
  const ns = await quietNamespace(t);
  for (const [name, mode] of [
    ['keep', 'tap'],
    ['tunnel', 'tun'],
  ]) {
    await ns.ip('tuntap', 'add', name, 'mode', mode, 'vnet_hdr', 'multi_queue');
    await ns.ip('link', 'set', name, 'up');
  }
  await ns.ip('address', 'add', '10.9.0.1/24', 'dev', 'keep');
  await ns.ip('address', 'add', '10.8.0.1/24', 'dev', 'tunnel');
  const before = await ns.ip('-d', 'link', 'show', 'keep');
  const { output } = await askUntilEnd(ns, startTapfd(['dump', 'keep', '-c', '1'], { ns }));
  t.match(output, 'who-has 10.9.0.');
  const strip = (text: string) => text.replace(/<.*|numtxqueues.*/g, '');
  t.equal(strip(await ns.ip('-d', 'link', 'show', 'keep')), strip(before));
  const tunnel = startTapfd(['dump', 'tunnel', '-c', '1'], { ns });
  await tunnel.printed('Ctrl-C');
  await ns.exec('ping', '-c', '1', '-W', '0.2', '10.8.0.2').catch(() => undefined);
  t.match((await tunnel.ended).output, 'IP 10.8.0.1 > 10.8.0.2');
  await ns.wire('wire', 'far');
  await ns.ip('address', 'add', '10.7.0.1/24', 'dev', 'far');
  await ns.ip('link', 'add', 'link', 'wire', 'name', 'mv', 'up', 'type', 'macvtap', 'mode', 'bridge');
  const macvtap = startTapfd(['dump', 'mv', '-c', '1'], { ns });
  await macvtap.printed('only receives multicast');
  await ns.exec('ping', '-c', '1', '-W', '0.2', '10.7.0.2').catch(() => undefined);
  t.match((await macvtap.ended).output, 'who-has 10.7.0.2');
  t.ok((await ns.linkNames()).includes('mv'), 'it remains');
});

t.test('what cannot be dumped is refused', async (t) => {
  const ns = await quietNamespace(t);
  const lo = await tapfd(['dump', 'lo'], { ns });
  t.equal(lo.code, 1);
  t.match(lo.errors, 'tcpdump -i lo');
  const nix = await tapfd(['dump', 'nix'], { ns });
  t.equal(nix.code, 1);
  t.match(nix.errors, 'ENODEV');
  const closed = await tapfd(['dump', '--fd', '99'], { ns });
  t.equal(closed.code, 1);
  t.match(closed.errors, 'EBADF');
  // A terminal of its own: of bsdutils, which every Debian has.
  const line = commandWords(['dump', '--tap', '-w', '-'], ns).join(' ');
  const terminal = await startProgram('script', ['-qec', line, '/dev/null']).ended;
  t.equal(terminal.code, 2);
  t.match(terminal.output, /pcapng is nothing for a terminal/);
});

t.test('a descriptor that it inherits', async (t) => {
  const ns = await quietNamespace(t);
  const tap = await openTap({ netns: ns.name, addresses: ['10.9.0.1/24'] });
  const fd = tap.handOff();
  t.teardown(() => tap.close());
  const child = spawn('ip', ['netns', 'exec', ns.name, ...COMMAND, 'dump', '--fd', '3', '-c', '1'], {
    stdio: ['ignore', 'pipe', 'inherit', fd],
  });
  const output = child.stdout?.setEncoding('utf8').toArray();
  let over = false;
  child.once('exit', () => {
    over = true;
  });
  while (!over) await ns.exec('ping', '-c', '1', '-W', '0.2', '10.9.0.2').catch(() => undefined);
  t.match((await output)?.join(''), 'who-has 10.9.0.2');
});

t.test('it ends in order: a signal, a deleted device, a reader that has gone', async (t) => {
  const ns = await quietNamespace(t);
  for (const args of [[], ['-w', join(t.testdir(), 'a.pcapng')]]) {
    const stopped = startTapfd(['dump', '--tap', 't0', ...args], { ns });
    await stopped.printed('Ctrl-C');
    stopped.kill('SIGINT');
    t.equal((await stopped.ended).code, 0);
    const deleted = startTapfd(['dump', '--tap', 't1', ...args], { ns });
    await deleted.printed('Ctrl-C');
    await ns.ip('link', 'delete', 't1');
    const { code, errors } = await deleted.ended;
    t.equal(code, 1);
    t.match(errors, 'ERR_TAPFD_DEVICE_GONE');
  }
  await ns.wire('wire', 'far');
  await ns.ip('address', 'add', '10.9.0.1/24', 'dev', 'far');
  for (const option of ['', '-w -']) {
    const line = `tapfd dump --macvtap lower=wire,name=mv -q ${option} | true; echo \${PIPESTATUS[0]}`;
    const { output, errors } = await askUntilEnd(ns, bash(line, ns));
    t.same({ output, errors }, { output: '0\n', errors: '' });
    t.same((await ns.linkNames()).sort(), ['far', 'wire'], 'the macvtap is gone, too');
  }
});
