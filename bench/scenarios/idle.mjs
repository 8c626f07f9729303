/** What devices cost that are open and have nothing to do. */
import { makeNamespace, removeNamespace } from '../namespaces.mjs';
import { subjectScript } from '../rig.mjs';
import { summary } from '../statistics.mjs';
import { SubjectProcess } from '../subject-process.mjs';

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
    for (let run = 0; run < Math.min(effort.repeats, 3); run += 1) {
      const namespace = makeNamespace();
      const command = [process.execPath, '--expose-gc', subjectScript('idle')];
      const subject = new SubjectProcess(command, { namespace, name: 'idle' });
      try {
        await subject.answer();
        let first;
        // A thousand devices take a while to come and go.
        for (const count of effort.idleDevices.filter((devices) => run === 0 || devices < 1000)) {
          const opened = await subject.ask(`open ${count}`);
          // The first device brings along what all of them share.
          first ??= opened;
          const { cpuNs, wallNs } = await subject.ask(`rest ${effort.idleMs}`);
          const bytes = opened.residentBytes - first.residentBytes;
          if (count > 1) note('memory', count, 'KiB a device', bytes / 1024 / (count - first.devices));
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
