/** The public form of a link, and whether two descriptions are of one link. */
import t from 'tap';
import type { NativeLink } from '#lib/base/native-links.js';
import { isAnotherLink, isSameState, linkFromNative } from '#lib/links/link.js';
import { linkAddressFromNative } from '#lib/links/link-address.js';

const stats = {
  rxPackets: 1,
  txPackets: 2,
  rxBytes: 3,
  txBytes: 4,
  rxErrors: 5,
  txErrors: 6,
  rxDropped: 7,
  txDropped: 8,
  multicast: 9,
};
const plain: NativeLink = {
  index: 2,
  name: 'eth0',
  alternativeNames: [],
  kind: '',
  portKind: '',
  mtu: 1500,
  flags: 0,
  operState: 0,
  carrier: false,
  master: 0,
  lower: 0,
  txQueueLength: 1000,
  txQueues: 1,
  rxQueues: 1,
  alias: '',
  stats,
};
const tun = {
  type: 1,
  packetInfo: false,
  vnetHeader: false,
  persist: false,
  multiQueue: false,
  queues: 0,
  disabledQueues: 0,
};
const vxlan = { id: 1, remote: '', local: '', port: 4789, learning: true };

t.test('what a link does not have is absent', async (t) => {
  t.same(linkFromNative(plain), {
    index: 2,
    name: 'eth0',
    alternativeNames: [],
    mtu: 1500,
    up: false,
    running: false,
    carrier: false,
    operState: 'unknown',
    loopback: false,
    promiscuous: false,
    allMulticast: false,
    arp: true,
    txQueueLength: 1000,
    txQueues: 1,
    rxQueues: 1,
    alias: '',
    stats,
  });
});

t.test('flags, states, modes and indexes', async (t) => {
  const states = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up'];
  states.forEach((operState, number) => {
    t.equal(linkFromNative({ ...plain, operState: number }).operState, operState);
  });
  t.equal(linkFromNative({ ...plain, operState: 7 }).operState, 'unknown', 'a state not known yet');
  const flags: [number, object][] = [
    [0x1, { up: true }],
    [0x8, { loopback: true }],
    [0x40, { running: true }],
    [0x100, { promiscuous: true }],
    [0x200, { allMulticast: true }],
  ];
  for (const [flag, expected] of flags) t.match(linkFromNative({ ...plain, flags: flag }), expected);
  const modes = { private: 1, vepa: 2, bridge: 4, passthru: 8, source: 16 };
  for (const [mode, macvlanMode] of Object.entries(modes)) {
    t.equal(linkFromNative({ ...plain, kind: 'macvtap', macvlanMode }).mode, mode);
  }
  t.notOk('mode' in linkFromNative({ ...plain, kind: 'macvtap', macvlanMode: 3 }));
  t.match(linkFromNative({ ...plain, lower: 3, lowerNetnsId: 0, master: 4, portKind: 'bridge' }), {
    lower: 3,
    lowerNetnsId: 0,
    master: 4,
    portKind: 'bridge',
  });
  t.equal(linkFromNative({ ...plain, tun }).tun?.type, 'tun');
  t.equal(linkFromNative({ ...plain, tun: { ...tun, type: 2 } }).tun?.type, 'tap');
  t.same(linkFromNative({ ...plain, vxlan }).vxlan, { id: 1, port: 4789, learning: true });
});

t.test('counters are no change, everything else is', async (t) => {
  t.ok(isSameState(plain, { ...plain, stats: { ...stats, rxBytes: 100 } }));
  t.notOk(isSameState(plain, { ...plain, mtu: 1400 }));
  t.notOk(isSameState({ ...plain, tun }, { ...plain, tun: { ...tun, persist: true } }));
});

t.test('an index that another link has by now', async (t) => {
  const link = { ...plain, mac: '02:00:00:00:00:01' };
  t.notOk(isAnotherLink(link, { ...link, name: 'renamed' }));
  t.notOk(isAnotherLink(link, { ...link, mac: '02:00:00:00:00:02', mtu: 1400 }));
  t.ok(isAnotherLink(link, { ...link, name: 'other', mac: '02:00:00:00:00:02' }));
  t.ok(isAnotherLink(link, { ...link, kind: 'veth' }));
  t.ok(isAnotherLink({ ...link, tun }, { ...link, tun: { ...tun, type: 2 } }));
  t.ok(isAnotherLink({ ...link, vxlan }, { ...link, vxlan: { ...vxlan, id: 2 } }));
  t.notOk(isAnotherLink({ ...link, vxlan }, { ...link, vxlan: { ...vxlan, port: 1 } }));
});

t.test('a state of a bridge port that is not known yet counts as disabled', async (t) => {
  const bridgePort = { isolated: false, unicastFlood: true, multicastFlood: true, broadcastFlood: true };
  const state = (state: number) =>
    linkFromNative({ ...plain, bridgePort: { ...bridgePort, state } }).bridgePort?.state;
  t.same([0, 1, 2, 3, 4, 99].map(state), [
    'disabled',
    'listening',
    'learning',
    'forwarding',
    'blocking',
    'disabled',
  ]);
});

t.test('an optimistic address can be used although its detection has not ended', async (t) => {
  const native = { address: new Uint8Array(16), prefixLength: 64, noDad: false };
  const [optimistic, tentative] = [0x04, 0x40];
  for (const [flags, expected] of [
    [0, false],
    [tentative, true],
    [tentative | optimistic, false],
  ] as const) {
    t.equal(linkAddressFromNative({ ...native, flags }).tentative, expected);
  }
});
