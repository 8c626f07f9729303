/** examples/two-hosts.ts, with guests and without: what it prints, what tcpdump saw, the picture, and Ctrl-C. */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { links } from 'tapfd';
import { needs } from '../kit/capabilities.ts';
import { startExample } from '../kit/examples.ts';
import { guestImage } from '../kit/guest-image.ts';
import { inRepo } from '../kit/paths.js';
import type { StartedProgram } from '../kit/started-program.js';

const PICTURE = inRepo('docs/pictures/two-hosts.svg');
const NETWORK = ['root', 'tun-device', 'bridge', 'veth', 'vxlan', 'macvtap', 'ip', 'tcpdump'] as const;

const TAP_A = '52:54:00:42:00:0a';
const TAP_B = '52:54:00:42:00:0b';
const MACVTAP_A = '52:54:00:43:00:0a';
const MACVTAP_B = '52:54:00:43:00:0b';

t.setTimeout(240_000);

function start(t: Test, args: string[]): StartedProgram {
  return startExample(t, 'two-hosts', args);
}

/** The two namespaces that the output names. */
function namespacesOf(t: Test, output: string): string[] {
  const names = [...output.matchAll(/host [AB] is the network namespace (\S+)/g)].map(([, name]) => name);
  t.equal(names.length, 2, 'it names both hosts');
  return names.map((name) => `/run/netns/${name}`);
}

/** What the wire carried in a step of the program: the frames that tcpdump saw, after the step's title. */
function wireIn(output: string, title: RegExp): string {
  const steps = output.split(/\n\d+\. /);
  const step = steps.find((text) => title.test(text)) ?? '';
  return step.slice(Math.max(0, step.indexOf('on the wire')));
}

/** Checks what both forms of the example show. */
function showsBothWays(t: Test, output: string): void {
  const small = wireIn(output, /through the bridges and VXLAN/);
  const tunnel = (from: string, to: string) =>
    `${from}\\.\\d+ > ${to}\\.4789: UDP, length 106.*, 148 bytes, vni 42\n +`;
  const echo = (from: string, to: string) => `${from} > ${to}, IP `;
  const [toB, toA] = [tunnel('192.0.2.1', '192.0.2.2'), tunnel('192.0.2.2', '192.0.2.1')];
  t.match(
    small,
    new RegExp(`${toB}${echo(TAP_A, TAP_B)}10.42.0.10 > 10.42.0.11: ICMP echo request.*, 98 bytes`),
  );
  t.match(
    small,
    new RegExp(`${toA}${echo(TAP_B, TAP_A)}10.42.0.11 > 10.42.0.10: ICMP echo reply.*, 98 bytes`),
  );
  t.notMatch(small, /on the wire: 52:54:00/, 'no frame of a guest is on the wire as it is');

  const full = wireIn(output, /largest packet that fits, 1450 bytes/);
  t.match(full, /IP 192\.0\.2\.1.*, 1514 bytes, vni 42\n +.*ICMP echo request.*, 1464 bytes/);
  t.match(full, /IP 192\.0\.2\.2.*, 1514 bytes, vni 42\n +.*ICMP echo reply.*, 1464 bytes/);

  const plain = wireIn(output, /through the macvtaps/);
  const [a, b] = [MACVTAP_A, MACVTAP_B];
  t.match(plain, new RegExp(`on the wire: ${a} > ff:ff:ff:ff:ff:ff, .* who-has 10.43.0.11 tell 10.43.0.10`));
  t.match(
    plain,
    new RegExp(`on the wire: ${a} > ${b}, IP 10.43.0.10 > 10.43.0.11: ICMP echo req.*, 1514 bytes`),
  );
  t.match(
    plain,
    new RegExp(`on the wire: ${b} > ${a}, IP 10.43.0.11 > 10.43.0.10: ICMP echo rep.*, 1514 bytes`),
  );
  t.notMatch(plain, 'vni');

  for (const host of ['A', 'B']) {
    const counts = new RegExp(`host ${host} (\\w+) +sent (\\d+), received (\\d+)`, 'g');
    const found = [...output.matchAll(counts)];
    t.same(
      found.map(([, link]) => link),
      ['vxlan42', 'macvtap0', 'eth0'],
    );
    // ARP and at least one echo, both ways.
    for (const [line, , sent, received] of found) t.ok(Number(sent) >= 2 && Number(received) >= 2, line);
  }
}

t.test('without QEMU', { skip: needs(...NETWORK) }, async (t) => {
  const { code: status, printed: output } = await start(t, ['--without-qemu']).ended;
  t.equal(status, 0);
  if (status !== 0) t.comment(output);
  showsBothWays(t, output);
  t.match(output, `10.42.0.11 (${TAP_B}) answered with 1422 bytes`);
  t.match(output, `10.43.0.11 (${MACVTAP_B}) answered with 1472 bytes`);
  t.match(output, 'tap0: write: a frame of 1465 bytes is refused: the MTU of tap0 is 1450');
  for (const path of namespacesOf(t, output)) t.notOk(existsSync(path), `${path} is gone`);
});

t.test('with guests', { skip: needs(...NETWORK, 'guest') }, async (t) => {
  const { kernel, initramfs } = guestImage();
  const before = (await links.list()).map(({ name }) => name);
  const { code: status, printed: output } = await start(t, [kernel, initramfs]).ended;
  t.equal(status, 0);
  if (status !== 0) t.comment(output);
  showsBothWays(t, output);
  t.match(output, 'guest A: 64 bytes from 10.42.0.11', 'by VXLAN');
  t.match(output, 'guest A: 1430 bytes from 10.42.0.11', 'with a full frame');
  t.match(output, 'guest A: 1480 bytes from 10.43.0.11', 'by macvtap, with a larger one');
  t.match(output, 'guest B: 64 bytes from 10.43.0.10');
  t.equal(output.match(/guest [AB]: 1 packets transmitted, 1 packets received/g)?.length, 4);
  t.match(output, /guest A, asked for an MTU of 1500: .*(greater than device maximum|Invalid argument)/);
  t.match(output, 'guest A: eth0 has an MTU of 1450');

  for (const path of namespacesOf(t, output)) t.notOk(existsSync(path), `${path} is gone`);
  const guests = [...output.matchAll(/runs as process (\d+)/g)].map(([, pid]) => Number(pid));
  t.equal(guests.length, 2);
  for (const pid of guests) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, 'QEMU is gone');
  t.same(
    (await links.list()).map(({ name }) => name),
    before,
    'no link is left here',
  );
});

t.test(
  'ended by Ctrl-C while its guests boot, it leaves nothing',
  { skip: needs(...NETWORK, 'guest') },
  async (t) => {
    const { kernel, initramfs } = guestImage();
    const { child, printed, ended } = start(t, [kernel, initramfs]);
    t.teardown(() => child.kill('SIGKILL'));
    const output = await printed(/A guest on each host boots/);
    const inodes = namespacesOf(t, output).map(networkOf);
    let processes = childrenOf(child.pid ?? 0);
    for (; processes.length < 2; processes = childrenOf(child.pid ?? 0)) await delay(20);
    child.kill('SIGINT');
    t.equal((await ended).code, 130);
    for (const path of namespacesOf(t, output)) t.notOk(existsSync(path), `${path} is gone`);
    // They are killed with it, which may take the kernel a moment.
    while (processes.some(isAlive)) await delay(20);
    t.same(
      readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .filter((pid) => inodes.includes(networkOf(`/proc/${pid}/ns/net`))),
      [],
      'no process is left in the namespaces',
    );
  },
);

t.test('it prints its usage', async (t) => {
  const { code: status, printed: output } = await start(t, []).ended;
  t.match({ status, output }, { status: 2, output: /^usage: .*--without-qemu/ });
});

t.test('the picture shows what the example builds', (t) => {
  const source = readFileSync(inRepo('examples/two-hosts.ts'), 'utf8');
  const picture = readFileSync(PICTURE, 'utf8').replace(/<style>.*<\/style>/s, '');
  const facts = (text: string) => [
    ...new Set(
      text.match(/\b(?:\d+\.\d+\.\d+\.\d+|52:54(?::[0-9a-f]{2}){4}|(?:tap|br|vxlan|macvtap)\d+)\b/g),
    ),
  ];
  t.same(facts(picture).sort(), facts(source).sort());
  for (const mtu of ['1450', '1500']) t.match(picture, `MTU ${mtu}`);
  t.end();
});

/** The processes that this one has started, and theirs. */
function childrenOf(pid: number): number[] {
  const direct = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);
  return direct.flatMap((child) => [child, ...childrenOf(child)]);
}

/** Which network namespace a file of one is; undefined where it is gone. */
function networkOf(path: string): string | undefined {
  try {
    return path.startsWith('/proc') ? readlinkSync(path) : `net:[${statSync(path).ino}]`;
  } catch {
    return undefined;
  }
}

/** Not gone, and not waiting for its parent to hear of its end. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
