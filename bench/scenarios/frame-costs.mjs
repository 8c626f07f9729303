/** What receiving and sending have in common: the CPU time of a frame, by several programs, in turn. */
import { alternating } from '../rig/alternating.mjs';
import { installable } from '../rig/other-packages.mjs';
import { SingleDeviceRig } from '../rig/single-device.mjs';

/** Bytes of the super-frame that the producer makes (bench/floor/device.h, SUPER_BYTES). */
const SUPER_FRAME = 14 + 20 + 20 + 44 * 1460;

const TAP_PACKAGES = ['@xiaobaidadada/node-tuntap2-wintun'];
/** Knows TUN only. */
const TUN_PACKAGES = ['appium-ios-tuntap'];

/**
 * @typedef {(size: number, way: string) => string} Line what a program is asked to do once
 *
 * @param {object} plan
 * @param {'receive' | 'send'} plan.program
 * @param {string[]} plan.own tapfd's ways, measured with super-frames too
 * @param {string[]} plan.plainNode the ways of node:fs
 * @param {string} [plan.tunWay] tapfd's way that is measured on a TUN device. Default: no TUN
 * @param {boolean} [plan.apart] see {@link SingleDeviceRig.start}
 * @param {Line} plan.line
 * @param {Line} [plan.superLine] for super-frames. Default: `line`
 * @param {import('../effort.mjs').Effort} plan.effort
 * @param {(skipped: {subject: string, reason: string}) => void} plan.skip
 */
export async function frameCosts({
  program,
  own,
  plainNode,
  tunWay,
  apart,
  line,
  superLine = line,
  effort,
  skip,
}) {
  const others = async (packages) => (effort.others ? await installable(packages, skip) : []);
  const plan = { program, apart, repeats: effort.repeats, skip };

  const ways = [...own, ...plainNode, ...(await others(TAP_PACKAGES))];
  const rows = await costs({ ...plan, kind: 'tap', ways, sizes: effort.sizes, line });

  const supers = { ...plan, kind: 'tap-vnet', ways: own, sizes: [SUPER_FRAME], line: superLine };
  rows.push(...(await costs(supers)).map((row) => ({ ...row, variant: 'super-frames' })));

  if (tunWay !== undefined) {
    const tunWays = [tunWay, ...(await others(TUN_PACKAGES))];
    const tun = { ...plan, kind: 'tun', ways: tunWays, sizes: [1500], line };
    rows.push(...(await costs(tun)).map((row) => ({ ...row, variant: 'TUN' })));
  }
  return rows;
}

/** Nanoseconds a frame, on devices of one kind. */
async function costs({ program, kind, ways, sizes, repeats, apart, line, skip }) {
  const rigs = new Map();
  const rows = [];
  try {
    rigs.set('floor', await SingleDeviceRig.start({ program, way: 'floor', kind, apart }));
    for (const way of ways) {
      try {
        rigs.set(way, await SingleDeviceRig.start({ program, way, kind, apart }));
      } catch (error) {
        skip({ subject: way, reason: error.message });
      }
    }
    const subjects = [...rigs.keys()].filter((way) => way !== 'floor');
    for (const size of sizes) {
      const measure = async (way) => {
        const { frames, cpuNs } = await rigs.get(way).ask(line(size, way));
        return { cpuNsPerFrame: cpuNs / frames };
      };
      // JavaScript is compiled while it warms up.
      for (const way of rigs.keys()) for (let i = 0; i < 2; i += 1) await measure(way);
      const measured = await alternating({ measure, subjects, repeats });
      rows.push(...measured.map(({ subject, value, ratio }) => ({ size, subject, value, ratio })));
    }
  } finally {
    await Promise.all([...rigs.values()].map((rig) => rig.stop()));
  }
  return rows;
}
