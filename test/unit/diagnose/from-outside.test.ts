/** What is said of a device that other programs hold. */
import t from 'tap';
import type { Link } from 'tapfd';
import { diagnoseFromOutside } from '#lib/diagnose/from-outside.js';

const STATS = {
  rxPackets: 0,
  txPackets: 0,
  rxBytes: 0,
  txBytes: 0,
  rxErrors: 0,
  txErrors: 0,
  rxDropped: 0,
  txDropped: 0,
  multicast: 0,
};

t.test('a macvtap whose device number is not known: nothing is said of its node', async (t) => {
  const link: Link = {
    index: 7,
    name: 'mv0',
    alternativeNames: [],
    kind: 'macvtap',
    mac: '02:00:00:00:00:01',
    mtu: 1500,
    up: true,
    running: true,
    carrier: true,
    operState: 'up',
    loopback: false,
    promiscuous: false,
    arp: true,
    allMulticast: true,
    lower: 2,
    txQueueLength: 500,
    txQueues: 1,
    rxQueues: 1,
    alias: '',
    stats: STATS,
    mode: 'bridge',
  };
  const view = {
    kind: 'macvtap' as const,
    link,
    links: new Map([[7, link]]),
    addresses: [],
    device: undefined,
  };
  t.same(await diagnoseFromOutside(view), []);
});
