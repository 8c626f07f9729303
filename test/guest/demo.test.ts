/** `npm run demo`, as a newcomer runs it. */
import { readdirSync } from 'node:fs';
import t, { type Test } from 'tap';
import { links } from 'tapfd';
import { needs } from '../kit/capabilities.ts';
import { runDemo } from '../kit/run-demo.ts';

const NETWORK = ['root', 'tun-device', 'bridge', 'veth', 'macvtap', 'ping'] as const;

t.setTimeout(240_000);

function namespaces(): string[] {
  try {
    return readdirSync('/run/netns');
  } catch {
    return [];
  }
}

/** The processes that the output names, and the namespace, are gone; this namespace has the links it had. */
async function nothingIsLeft(t: Test, output: string, linksBefore: string[]): Promise<void> {
  const name = /network namespace (\S+):/.exec(output)?.[1];
  t.ok(name, 'the demo names its namespace');
  t.notOk(namespaces().includes(name ?? ''), 'which is gone');
  for (const [, pid] of output.matchAll(/runs as process (\d+)/g)) {
    t.throws(() => process.kill(Number(pid), 0), { code: 'ESRCH' }, 'QEMU is gone');
  }
  const after = (await links.list()).map((link) => link.name);
  t.same(after, linksBefore, 'no link is left here');
}

t.test('with guests', { skip: needs(...NETWORK, 'guest') }, async (t) => {
  const linksBefore = (await links.list()).map((link) => link.name);
  const { status, output } = await runDemo([]);
  t.equal(status, 0);
  if (status !== 0) t.comment(output);
  t.match(output, /JavaScript received .* ARP, request who-has 10\.77\.0\.2 tell 10\.77\.0\.3/);
  t.match(output, /JavaScript sent .* IP 10\.77\.0\.2 > 10\.77\.0\.3: ICMP echo reply, id \d+, seq 1,/);
  t.match(output, /JavaScript sent .* IP 10\.77\.0\.2 > 10\.77\.0\.4: ICMP echo reply, id \d+, seq 1,/);
  t.match(output, '10.77.0.3 (52:54:00:77:00:03) answered in', 'JavaScript reached the guest on the TAP');
  t.match(output, '10.77.0.4 (52:54:00:77:00:04) answered in', 'and the one on the macvtap');
  t.match(output, 'guest A: 64 bytes from 10.77.0.4', 'TAP to macvtap');
  t.match(output, 'guest B: 64 bytes from 10.77.0.3', 'macvtap to TAP');
  t.equal(output.match(/guest [AB]: 2 packets transmitted, 2 packets received/g)?.length, 4);
  t.equal(output.match(/runs as process \d+/g)?.length, 2);
  await nothingIsLeft(t, output, linksBefore);
});

t.test('without guests', { skip: needs(...NETWORK) }, async (t) => {
  const linksBefore = (await links.list()).map((link) => link.name);
  const { status, output } = await runDemo(['--no-guests']);
  t.equal(status, 0);
  if (status !== 0) t.comment(output);
  t.equal(output.match(/the kernel: 2 packets transmitted, 2 received/g)?.length, 2, 'on TAP and on macvtap');
  t.match(
    output,
    /JavaScript on the TAP sent .* 10\.77\.0\.3 > 10\.77\.0\.1: ICMP echo reply, id \d+, seq 1,/,
  );
  t.match(
    output,
    /JavaScript on the macvtap sent .* 10\.77\.0\.4 > 10\.77\.0\.1: ICMP echo reply, id \d+, seq 1,/,
  );
  t.match(output, /10\.77\.0\.1 \(.*\) answered in/, 'JavaScript reached the kernel');
  await nothingIsLeft(t, output, linksBefore);
});

t.test(
  'without the right to do it, it says so at once, and what to do',
  { skip: needs('root') },
  async (t) => {
    const { status, output } = await runDemo([], { uid: 65534 });
    t.equal(status, 1);
    t.match(output, 'error: the demo cannot run: this is not root');
    t.match(output, /remedy: .*sudo/);
  },
);
