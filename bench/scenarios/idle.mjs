/** What idle devices cost. */
import { makeNamespace, removeNamespace } from '../rig/namespaces.mjs';

import { SubjectProcess, subjectScript } from '../rig/subject-process.mjs';
import { summary } from '../statistics.mjs';

export const idle = {
  name: 'idle',
  title: 'Idle devices in one process',
  unit: 'KiB a device',
  async run(effort) {
    const samples = new Map();
    const note = (variant, devices, unit, figure) => {
      const key = `${variant} ${devices}`;
      const row = samples.get(key) ?? { subject: 'data', variant, devices, unit, figures: [] };
      row.figures.push(figure);
      samples.set(key, row);
    };
    for (let run = 0; run < effort.repeats; run += 1) {
      const namespace = makeNamespace();
      const command = [process.execPath, '--expose-gc', subjectScript('idle')];
      const subject = new SubjectProcess(command, { namespace, name: 'idle' });
      try {
        await subject.answer();
        let before;
        for (const count of effort.idleDevices) {
          const opened = await subject.ask(`open ${count} ${effort.calmRounds}`);
          const { cpuNs, wallNs } = await subject.ask(`rest ${effort.idleMs}`);
          // Only of the last step: the first devices also allocate what all share.
          if (count === effort.idleDevices.at(-1)) {
            const bytes = opened.residentBytes - before.residentBytes;
            note('memory', count, 'KiB a device', bytes / 1024 / (count - before.devices));
          }
          before = opened;
          note('cpu', count, '% of a processor', (100 * cpuNs) / wallNs);
        }
      } finally {
        await subject.stop();
        removeNamespace(namespace);
      }
    }
    return [...samples.values()].map(({ figures, ...row }) => ({ ...row, value: summary(figures) }));
  },
};
