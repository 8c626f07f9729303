/** How long a turn of the event loop gets under a flood, with the library's defaults. */
import { SingleDeviceRig } from '../rig/single-device.mjs';
import { summary } from '../statistics.mjs';

export const turn = {
  name: 'turn',
  title: 'Longest turn of the event loop under a flood',
  unit: 'ms',
  async run(effort) {
    const rows = [];
    for (const way of ['data', 'batches', 'for-await']) {
      const rig = await SingleDeviceRig.start({ program: 'turn', way, kind: 'tap', apart: true });
      try {
        await rig.ask(`turns 64 ${effort.turnMs}`);
        for (const size of new Set([effort.sizes[0], effort.sizes.at(-1)])) {
          const runs = [];
          for (let i = 0; i < effort.repeats; i += 1)
            runs.push(await rig.ask(`turns ${size} ${effort.turnMs}`));
          const milliseconds = (key) => summary(runs.map((run) => run[key] / 1e6));
          rows.push({ size, subject: way, variant: 'CPU', value: milliseconds('longestCpuNs') });
          rows.push({ size, subject: way, variant: 'clock', value: milliseconds('longestNs') });
          rows.push({ size, subject: way, variant: 'clock, p99.9', value: milliseconds('p999Ns') });
        }
      } finally {
        await rig.stop();
      }
    }
    return rows;
  },
};
