/** What receiving and sending have in common: CPU time a frame, of several programs at several sizes, by turns. */
import { alternating } from '../rig/alternating.mjs';
import { Rig } from '../rig/single-device.mjs';

/**
 * @param {object} plan
 * @param {'receive' | 'send'} plan.program
 * @param {string} plan.kind of device
 * @param {string[]} plan.ways subjects
 * @param {number[]} plan.sizes
 * @param {number} plan.repeats
 * @param {boolean} [plan.apart] see {@link Rig.start}
 * @param {(size: number, way: string) => string} plan.line what is asked for once
 * @param {(skipped: {subject: string, reason: string}) => void} plan.skip
 * @returns {Promise<{size: number, subject: string, value: object, ratio: object | undefined}[]>} nanoseconds a frame
 */
export async function frameCost({ program, kind, ways, sizes, repeats, apart, line, skip }) {
  const rigs = new Map();
  const rows = [];
  try {
    rigs.set('floor', await Rig.start({ program, way: 'floor', kind, apart }));
    for (const way of ways) {
      try {
        rigs.set(way, await Rig.start({ program, way, kind, apart }));
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
    for (const rig of rigs.values()) await rig.stop();
  }
  return rows;
}
