/** The learning switch: what it learns, forgets, floods and drops; and hosts of the kernel that talk through it. */
import { Duplex } from 'node:stream';
import t from 'tap';
import { openTap } from 'tapfd';
import { LearningSwitch, type SwitchOptions } from '../../examples/switch.ts';
import { needs } from '../kit/capabilities.js';
import { runExample } from '../kit/examples.js';
import { quietNamespace } from '../kit/namespace.js';

/** A device of the test: what the switch sends to it, and how it lets frames in. */
class Cable extends Duplex {
  got: string[] = [];
  /** True: what is written is not taken. */
  holds = false;
  constructor() {
    super({ objectMode: true, writableHighWaterMark: 1 });
  }
  override _read(): void {}
  override _write(frame: Buffer, _encoding: string, callback: () => void): void {
    this.got.push(frame.toString('latin1', 14));
    if (!this.holds) callback();
  }
}

const mac = (n: number) => `02000000${n.toString(16).padStart(4, '0')}`;
const shown = (n: number) => mac(n).replace(/(?<=\w\w)(?=\w)(?=(\w\w)+$)/g, ':');

function frame(to: string, from: string, content: string): Buffer {
  return Buffer.concat([Buffer.from(`${to}${from}88b5`, 'hex'), Buffer.from(content)]);
}

/** A switch with three cables. */
function threePorts(options: SwitchOptions = {}) {
  const hub = new LearningSwitch(options);
  const cables = [new Cable(), new Cable(), new Cable()] as const;
  const ports = cables.map((cable) => hub.connect(cable));
  /** Lets frames in, and waits until the switch has seen them. */
  const enter = async (cable: Cable, ...frames: Buffer[]) => {
    for (const one of frames) cable.push(one);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { hub, cables, ports, enter };
}

t.test('what is unknown is flooded, and what has been learnt is not', async (t) => {
  const { hub, cables, ports, enter } = threePorts();
  const [a, b, c] = cables;
  await enter(a, frame(mac(2), mac(1), 'unknown'));
  t.same([a.got, b.got, c.got], [[], ['unknown'], ['unknown']], 'to all but where it came from');
  await enter(b, frame(mac(1), mac(2), 'back'));
  await enter(a, frame(mac(2), mac(1), 'known'));
  t.same([a.got, b.got, c.got], [['back'], ['unknown', 'known'], ['unknown']]);
  t.equal(hub.portOf(shown(1)), ports[0]);
  await enter(a, frame('ffffffffffff', mac(1), 'all'), frame('333300000001', mac(1), 'group'));
  t.same(c.got, ['unknown', 'all', 'group'], 'broadcast and multicast go everywhere');
  await enter(a, frame(mac(1), mac(3), 'local'));
  t.same(
    [b.got, c.got],
    [
      ['unknown', 'known', 'all', 'group'],
      ['unknown', 'all', 'group'],
    ],
    'not to where it is',
  );
  t.match(ports[1], { received: 1, sent: 4, dropped: 0 });
});

t.test('a host that moves is found at its new port; one that is silent is forgotten', async (t) => {
  let time = 0;
  const { hub, cables, ports, enter } = threePorts({ ageMs: 1000, now: () => time });
  const [a, b] = cables;
  await enter(a, frame(mac(9), mac(1), 'here'));
  await enter(b, frame(mac(9), mac(1), 'there'));
  t.equal(hub.portOf(shown(1)), ports[1]);
  t.same(hub.macsOf(ports[0]), []);
  time = 1000;
  t.equal(hub.portOf(shown(1)), ports[1], 'not yet');
  await enter(b, frame(mac(9), mac(1), 'alive'));
  time = 2000;
  t.equal(hub.portOf(shown(1)), ports[1], 'a frame refreshes it');
  time = 2001;
  t.equal(hub.portOf(shown(1)), undefined);
  t.same(hub.macsOf(ports[1]), []);
});

t.test('a port that floods the table pushes out only its own', async (t) => {
  const { hub, cables, ports, enter } = threePorts({ maxMacsPerPort: 3 });
  const [a, b] = cables;
  await enter(b, frame(mac(9), mac(200), 'b'));
  for (let n = 1; n <= 50; n += 1) await enter(a, frame(mac(9), mac(n), ''));
  t.same(hub.macsOf(ports[0]), [48, 49, 50].map(shown));
  t.same(hub.macsOf(ports[1]), [shown(200)]);
  await enter(a, frame(mac(9), mac(49), ''), frame(mac(9), mac(51), ''));
  t.same(hub.macsOf(ports[0]), [50, 49, 51].map(shown), 'that seen longest ago goes first');
});

t.test('what no switch passes on, and what a port cannot take', async (t) => {
  const { hub, cables, ports, enter } = threePorts();
  const [a, b, c] = cables;
  await enter(
    a,
    frame('0180c2000000', mac(1), 'BPDU'),
    frame('0180c200000f', mac(1), 'link local'),
    Buffer.alloc(13),
  );
  t.match(ports[0], { received: 3, dropped: 3 });
  await enter(a, frame('0180c2000010', mac(1), 'passes'), frame('ffffffffffff', 'ffffffffffff', 'no source'));
  t.same(b.got, ['passes', 'no source']);
  t.equal(hub.portOf('ff:ff:ff:ff:ff:ff'), undefined, 'a group is nobody');
  c.holds = true;
  await enter(a, frame(mac(9), mac(1), '1'), frame(mac(9), mac(1), '2'));
  t.same(c.got, ['passes', 'no source', '1']);
  t.match(ports[2], { sent: 2, dropped: 1 }, 'a slow port loses its own frames');
  t.same(b.got, ['passes', 'no source', '1', '2'], 'and nobody else does');
});

t.test('a port that closes is forgotten with its MACs', async (t) => {
  const { hub, cables, ports, enter } = threePorts();
  const [a, b, c] = cables;
  await enter(c, frame(mac(9), mac(3), ''));
  c.destroy(new Error('gone'));
  await new Promise((resolve) => c.once('close', resolve));
  t.equal(hub.portOf(shown(3)), undefined);
  await enter(a, frame(mac(3), mac(1), 'to c'));
  t.same(b.got, ['', 'to c'], 'flooded again');
  t.equal(ports[2]?.sent, 0);
});

t.test(
  'hosts of the kernel reach each other',
  { skip: needs('root', 'tun-device', 'netns', 'ip', 'ping') },
  async (t) => {
    const hub = new LearningSwitch();
    const hosts = await Promise.all(
      [1, 2, 3, 4].map(async (n) => {
        const ns = await quietNamespace(t);
        const tap = await openTap({ netns: ns.name, name: 'eth0', addresses: [`10.66.0.${n}/24`] });
        t.teardown(() => tap.close());
        return { ns, tap, port: hub.connect(tap), address: `10.66.0.${n}` };
      }),
    );
    for (const { ns, address } of hosts) {
      for (const other of hosts.filter((host) => host.address !== address)) {
        t.equal(await ns.ping(other.address), 1, `${address} to ${other.address}`);
      }
    }
    for (const { port, tap } of hosts) {
      t.same(hub.macsOf(port), [tap.mac]);
      t.equal(port.dropped, 0);
    }
    const [first, second, third] = hosts;
    const before = third?.port.sent;
    for (let n = 0; n < 5; n += 1) t.equal(await first?.ns.ping(second?.address ?? ''), 1);
    t.equal(third?.port.sent, before, 'a third hears nothing of it');
  },
);

t.test('as a program', { skip: needs('root', 'tun-device', 'netns', 'ping') }, async (t) => {
  const printed = await runExample(t, 'switch', ['2']);
  t.match(printed, '10.66.0.1 pings 10.66.0.2: answered\n10.66.0.2 pings 10.66.0.1: answered\n');
  t.match(printed, /^port of 10\.66\.0\.1: [0-9a-f:]{17}; \d+ in, \d+ out$/m);
});
