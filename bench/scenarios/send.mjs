/** Sending: frames that the kernel takes and then drops early. */
import { frameCost } from './frame-cost.mjs';
import { available } from './receive.mjs';
import { SUPER_FRAME } from './super-frame.mjs';

const OWN = ['batches', 'array-of-buffers', 'write'];
const PLAIN_NODE = ['fs-write', 'fs-write-sync'];

export const send = {
  name: 'send',
  title: 'Sending',
  unit: 'CPU ns a frame',
  async run(effort, skip) {
    const slow = ['fs-write', 'node-tuntap2-wintun'];
    const frames = (way) =>
      Math.max(256, Math.round(effort.sendFrames * (slow.includes(way) ? effort.slowShare : 1)));
    const plan = { program: 'send', repeats: effort.repeats, skip };
    const line = (size, way) => `send ${size} ${frames(way)}`;
    const others = effort.others ? await available(['@xiaobaidadada/node-tuntap2-wintun'], skip) : [];
    const ways = [...OWN, ...PLAIN_NODE, ...others];
    const rows = await frameCost({ ...plan, kind: 'tap', ways, sizes: effort.sizes, line });
    const superLine = (size, way) => `send ${size} ${Math.round(frames(way) / 10)}`;
    const supers = { ...plan, kind: 'tap-vnet', ways: OWN, sizes: [SUPER_FRAME], line: superLine };
    rows.push(...(await frameCost(supers)).map((row) => ({ ...row, variant: 'super-frames' })));
    const appium = effort.others ? await available(['appium-ios-tuntap'], skip) : [];
    const tunPlan = { ...plan, kind: 'tun', ways: ['write', ...appium], sizes: [1500], line };
    rows.push(...(await frameCost(tunPlan)).map((row) => ({ ...row, variant: 'TUN' })));
    return rows;
  },
};
