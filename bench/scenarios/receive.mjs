/** Receiving: out of a full queue, and while another processor fills it. */
import { installOther } from '../rig/other-packages.mjs';
import { frameCost } from './frame-cost.mjs';
import { SUPER_FRAME } from './super-frame.mjs';

const BURST = 1024;
const OWN = ['batches', 'batches-looked-at', 'data', 'for-await'];
const PLAIN_NODE = ['fs-stream', 'fs-read'];
/** At most this many bytes of super-frames in the queue at once. */
const SUPER_BURST = 64;

/** The queue holds 1024 frames, then they are read: only the reading counts. No waiting, nobody to wait for. */
export const receiveDrain = {
  name: 'receive-drain',
  title: 'Receiving 1024 queued frames',
  unit: 'CPU ns a frame',
  async run(effort, skip) {
    const rounds = (way) =>
      Math.max(1, Math.round(effort.drainRounds * (isSlow(way) ? effort.slowShare : 1)));
    const plan = { program: 'receive', repeats: effort.repeats, skip };
    const line = (size, way) => `drain ${size} ${BURST} ${rounds(way)}`;
    const others = effort.others ? await available(['@xiaobaidadada/node-tuntap2-wintun'], skip) : [];
    const ways = [...OWN, ...PLAIN_NODE, ...others];
    const rows = await frameCost({ ...plan, kind: 'tap', ways, sizes: effort.sizes, line });
    const superLine = (size, way) => `drain ${size} ${SUPER_BURST} ${rounds(way) * 4}`;
    const supers = { ...plan, kind: 'tap-vnet', ways: OWN, sizes: [SUPER_FRAME], line: superLine };
    rows.push(...(await frameCost(supers)).map((row) => ({ ...row, variant: 'super-frames' })));
    // It knows TUN only.
    const appium = effort.others ? await available(['appium-ios-tuntap'], skip) : [];
    const tunPlan = { ...plan, kind: 'tun', ways: ['data', ...appium], sizes: [1500], line };
    rows.push(...(await frameCost(tunPlan)).map((row) => ({ ...row, variant: 'TUN' })));
    return rows;
  },
};

/** Another process blasts: what is read late is dropped, what is read counts. */
export const receiveFlood = {
  name: 'receive-flood',
  title: 'Receiving under a flood',
  unit: 'CPU ns a frame',
  async run(effort, skip) {
    const line = (size) => `flood ${size} ${effort.floodMs}`;
    const plan = { program: 'receive', repeats: effort.repeats, apart: true, line, skip };
    const others = effort.others ? await available(['@xiaobaidadada/node-tuntap2-wintun'], skip) : [];
    const ways = [...OWN, ...PLAIN_NODE, ...others];
    const rows = await frameCost({ ...plan, kind: 'tap', ways, sizes: effort.sizes });
    const supers = await frameCost({ ...plan, kind: 'tap-vnet', ways: OWN, sizes: [SUPER_FRAME] });
    rows.push(...supers.map((row) => ({ ...row, variant: 'super-frames' })));
    return rows;
  },
};

function isSlow(way) {
  return !OWN.includes(way) && way !== 'floor';
}

/** The subjects that stand for packages, of those that can be had. */
export async function available(packages, skip) {
  const subjects = [];
  for (const name of packages) {
    const subject = name.split('/').at(-1);
    const reason = await installOther(name);
    if (reason === undefined) subjects.push(subject);
    else skip({ subject, reason });
  }
  return subjects;
}
