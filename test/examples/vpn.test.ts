/** The VPN: what a hostile network can do to its datagrams, and the kernel's ping and TCP through it. */
import { randomBytes } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { MTU, Tunnel } from '../../examples/vpn.ts';
import { needs } from '../kit/capabilities.js';
import { startExample } from '../kit/examples.js';
import { ownNamespace, vethPair } from '../kit/namespace.js';
import { startProgram } from '../kit/started-program.js';

const KEY = randomBytes(32);

/** Carries the datagrams between two ends until neither has an answer; returns all of them. */
function deliver(from: Tunnel, to: Tunnel, datagrams: readonly Buffer[]): Buffer[] {
  const replies = datagrams.flatMap((datagram) => to.receive(datagram).replies ?? []);
  return replies.length === 0 ? [...datagrams] : [...datagrams, ...deliver(to, from, replies)];
}

/** Two ends that have met, and what went over the wire. */
function connected(key = KEY) {
  const [a, b] = [new Tunnel(key), new Tunnel(key)];
  const wire = [...deliver(a, b, [a.request()]), ...deliver(b, a, [b.request()])];
  return { a, b, wire };
}

function sealed(tunnel: Tunnel, text: string): Buffer {
  const datagram = tunnel.seal(Buffer.from(text));
  if (datagram === undefined) throw new Error('the tunnel is not ready');
  return datagram;
}

const opened = (tunnel: Tunnel, datagram: Buffer) => tunnel.receive(datagram).packet?.toString();

t.test('packets pass both ways, in any order, each once', async (t) => {
  const { a, b } = connected();
  t.ok(a.isReady && b.isReady);
  t.equal(opened(b, sealed(a, 'to b')), 'to b');
  t.equal(opened(a, sealed(b, 'to a')), 'to a');
  t.equal(opened(a, sealed(b, '')), '', 'an empty packet is one too');
  const datagrams = Array.from({ length: 1500 }, (_, i) => sealed(a, String(i)));
  const at = (i: number) => datagrams[i] ?? Buffer.alloc(0);
  t.equal(opened(b, at(1000)), '1000');
  t.equal(opened(b, at(999)), '999', 'one that was overtaken');
  t.equal(opened(b, at(0)), '0', 'and one overtaken by the whole window but one');
  for (const i of [1000, 999, 0]) t.equal(opened(b, at(i)), undefined, `${i} again`);
  t.equal(opened(b, at(1499)), '1499');
  t.equal(opened(b, at(400)), undefined, 'too late: nobody can say whether it came before');
  t.equal(opened(b, at(476)), '476', 'the oldest in the window');
  t.equal(opened(b, at(476)), undefined);
  t.same(b.drops, { forged: 0, replayed: 5, early: 0 });
});

t.test('the window does not forget what it has seen when it moves', async (t) => {
  const { a, b } = connected();
  const datagrams = Array.from({ length: 5000 }, (_, i) => sealed(a, String(i)));
  const accepted = new Map<number, number>();
  // Bursts forwards and far jumps, each datagram several times over.
  let seed = 1;
  for (let n = 0; n < 20_000; n += 1) {
    seed = (seed * 48_271) % 2_147_483_647;
    const i = Math.min(4999, Math.floor(n / 4) + (seed % 1500));
    if (b.receive(datagrams[i] ?? Buffer.alloc(0)).packet !== undefined)
      accepted.set(i, (accepted.get(i) ?? 0) + 1);
  }
  t.ok(accepted.size > 2000);
  t.equal(Math.max(...accepted.values()), 1);
});

t.test('a datagram with any bit changed, or cut off, is dropped', async (t) => {
  const { a, b, wire } = connected();
  const genuine = sealed(a, 'genuine');
  let forged = 0;
  for (let bit = 0; bit < genuine.length * 8; bit += 1) {
    const changed = Buffer.from(genuine);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    if (opened(b, changed) !== undefined) t.fail(`bit ${bit}`);
    forged += 1;
  }
  for (let length = 0; length < genuine.length; length += 1) {
    if (opened(b, genuine.subarray(0, length)) !== undefined) t.fail(`${length} bytes`);
    forged += 1;
  }
  for (const hello of wire) {
    for (const changed of [Buffer.from(hello), hello.subarray(0, -1), Buffer.concat([hello, hello])]) {
      changed[40] = (changed[40] ?? 0) ^ 1;
      t.same(b.receive(changed), {}, 'no answer to a forged hello');
      forged += 1;
    }
  }
  t.equal(opened(b, genuine), 'genuine', 'and all of it has changed nothing');
  t.same(b.drops, { forged, replayed: 0, early: 0 });
});

t.test('what an end has sent does not come back to it', async (t) => {
  const { a, b } = connected();
  t.equal(opened(a, sealed(a, 'mine')), undefined);
  const own = new Tunnel(KEY);
  deliver(
    own,
    own,
    [own.request()]
      .slice(0, 1)
      .concat(own.receive(own.request()).replies?.slice(0, 1) ?? [])
      .slice(1),
  );
  t.notOk(own.isReady, 'nor is it its own peer');
  t.ok(b.isReady);
});

t.test('a session that was recorded is of no use against ends that have started anew', async (t) => {
  const old = connected();
  const secret = sealed(old.a, 'pay 100');
  const [a, b] = [new Tunnel(KEY), new Tunnel(KEY)];
  for (const datagram of [...old.wire, secret, ...old.wire]) {
    t.equal(opened(b, datagram), undefined);
    t.notOk(b.isReady, 'a recorded hello makes no session');
  }
  deliver(a, b, [a.request()]);
  deliver(b, a, [b.request()]);
  for (const datagram of [...old.wire, secret]) t.equal(opened(b, datagram), undefined);
  t.equal(opened(b, sealed(a, 'new')), 'new', 'and it disturbs nothing');
});

t.test('a peer that restarts is met again, and its old keys are not', async (t) => {
  const { a, b, wire } = connected();
  const before = sealed(b, 'before');
  const again = new Tunnel(KEY);
  deliver(again, a, [again.request()]);
  t.equal(opened(a, sealed(again, 'here again')), 'here again');
  t.equal(opened(again, sealed(a, 'welcome')), 'welcome');
  const next = sealed(a, 'x');
  for (const datagram of wire) a.receive(datagram);
  t.equal(opened(a, before), undefined, 'the old session is over');
  // Had the recorded hello brought the first session back, its counters would begin again under the same key.
  t.notSame(sealed(a, 'x').subarray(1, 9), next.subarray(1, 9));
  t.equal(opened(again, sealed(a, 'still')), 'still');
});

t.test('without the key there is no tunnel', async (t) => {
  const [a, b] = [new Tunnel(KEY), new Tunnel(randomBytes(32))];
  t.same(deliver(a, b, [a.request()]).length, 1, 'no answer');
  t.notOk(a.isReady || b.isReady);
  t.equal(a.seal(Buffer.from('x')), undefined);
  t.equal(a.drops.early, 1);
  t.throws(() => new Tunnel(Buffer.alloc(16)), RangeError);
});

t.test('the same packet never looks the same', async (t) => {
  const { a, b } = connected();
  const texts = [a, a, b, connected().a].map((end) =>
    sealed(end, 'x'.repeat(100)).subarray(9).toString('hex'),
  );
  t.equal(new Set(texts).size, 4);
});

/**
 * Between the two ends, a network that cannot be trusted: forwards each datagram, and sends two more of the first of data:
 * one with a bit changed, and the same once more. Prints how many.
 */
const RELAY = `
  const { createSocket } = require('node:dgram');
  const [left, right] = [['10.1.0.1', 0], ['10.2.0.1', 0]];
  const sockets = [createSocket('udp4'), createSocket('udp4')];
  const peers = ['10.1.0.1', '10.2.0.1'];
  let attacks = 0;
  sockets.forEach((socket, i) => {
    const out = (datagram) => sockets[1 - i].send(datagram, 4500, peers[1 - i]);
    socket.on('message', (datagram) => {
      out(datagram);
      if (datagram[0] !== 3 || attacks === 20) return;
      attacks += 1;
      const changed = Buffer.from(datagram);
      changed[changed.length - 20] ^= 4;
      out(changed);
      out(datagram);
      if (attacks === 20) console.log('attacked 20 times');
    });
    socket.bind(4500, ['10.1.0.2', '10.2.0.2'][i], () => console.log('listening'));
  });
`;

async function ends(t: Test) {
  const [a, middle, b] = [await ownNamespace(t), await ownNamespace(t), await ownNamespace(t)];
  await vethPair(a, 'wire', middle, 'left');
  await vethPair(b, 'wire', middle, 'right');
  await a.ip('address', 'add', '10.1.0.1/24', 'dev', 'wire');
  await middle.ip('address', 'add', '10.1.0.2/24', 'dev', 'left');
  await middle.ip('address', 'add', '10.2.0.2/24', 'dev', 'right');
  await b.ip('address', 'add', '10.2.0.1/24', 'dev', 'wire');
  const relay = startProgram('ip', ['netns', 'exec', middle.name, process.execPath, '-e', RELAY]);
  t.teardown(async () => {
    relay.kill('SIGTERM');
    await relay.ended;
  });
  await relay.printed(/listening\n(.*\n)*listening/);
  const key = join(t.testdir(), 'key');
  writeFileSync(key, `${KEY.toString('hex')}\n`);
  chmodSync(key, 0o600);
  const start = (ns: typeof a, address: string, peer: string) =>
    startExample(
      t,
      'vpn',
      ['--key', key, '--address', address, '--peer', peer, '--name', 'vpn0'],
      ['ip', 'netns', 'exec', ns.name],
    );
  return {
    ...{ a, b, relay },
    left: start(a, '10.99.0.1/24', '10.1.0.2:4500'),
    right: start(b, '10.99.0.2/24', '10.2.0.2:4500'),
    restartRight: () => start(b, '10.99.0.2/24', '10.2.0.2:4500'),
  };
}

t.test(
  'ping and TCP through it, over a network that changes and repeats datagrams',
  { skip: needs('root', 'tun-device', 'netns', 'veth', 'ip', 'ping', 'iperf3') },
  async (t) => {
    const { a, b, left, right, relay, restartRight } = await ends(t);
    await Promise.all([left.printed(/vpn0: connected/), right.printed(/vpn0: connected/)]);
    for (let n = 0; n < 10; n += 1) {
      t.equal(await a.ping('10.99.0.2'), 1);
      t.equal(await b.ping('10.99.0.1'), 1);
    }
    await relay.printed(/attacked 20 times/);
    t.match(await a.link('vpn0'), { mtu: MTU });

    await t.test('TCP', async (t) => {
      const server = startProgram('ip', ['netns', 'exec', b.name, 'iperf3', '-s', '-1', '--forceflush']);
      await server.printed(/listening/);
      const report = JSON.parse(await a.exec('iperf3', '-c', '10.99.0.2', '-n', '2M', '-J'));
      t.equal(report.error, undefined);
      t.ok(report.end.sum_received.bytes > 1e6, 'what was under way at the end does not count');
      await server.ended;
    });

    await t.test('what was changed or repeated was dropped, and counted', async (t) => {
      right.kill('SIGTERM');
      const { code, printed } = await right.ended;
      t.equal(code, 0, printed);
      const counts = JSON.parse(printed.trim().split('\n').at(-1) ?? '');
      t.match(counts, { refused: 0 });
      t.ok(counts.forged >= 8 && counts.forged === counts.replayed, printed);
      t.equal(await b.link('vpn0'), undefined, 'and the interface went with it');
    });

    await t.test('an end that restarts is met again', async (t) => {
      const again = restartRight();
      await again.printed(/vpn0: connected/);
      t.equal(await a.ping('10.99.0.2'), 1);
    });

    left.kill('SIGINT');
    const { code, printed } = await left.ended;
    t.equal(code, 0, printed);
    t.same((await a.linkNames()).sort(), ['wire']);
  },
);
