/** Forwarding between two devices: one TCP stream by iperf3, and echo requests one after the other. */
import { alternating } from '../rig/alternating.mjs';
import { ForwardingRig } from '../rig/forwarding.mjs';

/** Subjects that cannot forward between two namespaces. */
const UNFIT = [
  {
    subject: 'fs-stream',
    reason:
      'a stream of node:fs on a non-blocking descriptor ends at the first EAGAIN; fs-callbacks is measured instead',
  },
  {
    subject: 'node-tuntap2-wintun',
    reason: 'it makes its devices in the namespace of the process, and the forwarder works in two',
  },
  { subject: 'appium-ios-tuntap', reason: 'it has no event for a frame, and polls' },
];

const WAYS = ['floor-2-threads', 'batches', 'pipe'];

export const forwarding = {
  name: 'forward',
  title: 'Forwarding one TCP stream',
  unit: 'Gbit/s',
  better: 'more',
  async run(effort, skip) {
    for (const one of UNFIT) skip(one);
    const rows = [];
    for (const [variant, kind, ways] of [
      ['plain', 'tap', [...WAYS, 'fs-callbacks']],
      ['super-frames', 'tap-vnet', [...WAYS, 'segment']],
    ]) {
      const measured = await inTurn(kind, ways, effort.repeats, (rig) => rig.tcp(effort.tcp));
      for (const { figure, ...row } of measured) {
        if (figure === 'gbps') rows.push({ ...row, variant });
        else rows.push({ ...row, variant: `${variant}, CPU`, unit: 'CPU ns a byte', better: 'less' });
      }
    }
    return rows;
  },
};

export const roundTrip = {
  name: 'round-trip',
  title: 'Round trip through a forwarder',
  unit: 'ns',
  async run(effort) {
    const ways = ['batches', 'pipe', 'fs-callbacks'];
    const rows = [];
    for (const size of effort.sizes) {
      const trips = (rig) => rig.roundTrips(effort.roundTrips, size);
      // On one processor: with two, most of the time would go into waking the other one.
      const measured = await inTurn('tap', ways, effort.repeats, trips, 1);
      rows.push(...measured.map(({ figure, ...row }) => ({ ...row, size, variant: figure })));
    }
    return rows;
  },
};

/**
 * Starts new forwarders for each round: two processes of one program differ as much as two programs do, by where their
 * memory is.
 *
 * @param {number} [core] see {@link ForwardingRig.start}
 */
async function inTurn(kind, ways, repeats, measureRig, core) {
  const rigs = new Map();
  const stop = async () => {
    for (const rig of rigs.values()) await rig.stop();
    rigs.clear();
  };
  const measure = (way) => rigs.get(way).alone(() => measureRig(rigs.get(way)));
  const begin = async () => {
    await stop();
    for (const way of ['floor', ...ways]) {
      const rig = await ForwardingRig.start({ way, kind, core });
      await rig.alone(() => rigs.set(way, rig));
    }
    for (const way of rigs.keys()) await measure(way);
  };
  try {
    return await alternating({ measure, subjects: ways, repeats, begin });
  } finally {
    await stop();
  }
}
