/** From the start of Node to the first frame, against a Node that does nothing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { floor } from '../rig/compile-floor.mjs';
import { entering, ip, makeNamespace, removeNamespace } from '../rig/namespaces.mjs';

import { endingWithBench, SubjectProcess, subjectScript } from '../rig/subject-process.mjs';
import { makeDirectory, removeDirectory } from '../rig/temporary-directory.mjs';
import { summary } from '../statistics.mjs';

const DEVICE = 'bench0';
const EVERY_US = 500;

export const startUp = {
  name: 'start-up',
  title: 'From the start of Node to the first frame',
  unit: 'ms',
  async run(effort) {
    const namespace = makeNamespace();
    const directory = makeDirectory();
    const commands = join(directory, 'commands');
    let producer;
    try {
      ip('-n', namespace, 'tuntap', 'add', DEVICE, 'mode', 'tap');
      ip('-n', namespace, 'link', 'set', DEVICE, 'up');
      writeFileSync(commands, `trickle 64 ${EVERY_US}\n`);
      const blast = [floor('blast'), DEVICE, 'tap', commands, join(directory, 'answers')];
      producer = new SubjectProcess(blast, { namespace, name: 'blast' });
      await producer.answer();
      const empty = [];
      const first = [];
      const above = [];
      for (let i = 0; i < effort.starts; i += 1) {
        empty.push(await milliseconds(namespace, ['-e', '0']));
        first.push(await milliseconds(namespace, [subjectScript('first-frame'), DEVICE]));
        above.push(first[i] - empty[i]);
      }
      return [
        { subject: 'node -e 0', value: summary(empty) },
        { subject: 'first frame', value: summary(first) },
        { subject: 'data', variant: 'above', value: summary(above) },
      ];
    } finally {
      await producer?.stop();
      removeNamespace(namespace);
      removeDirectory(directory);
    }
  },
};

/** How long Node takes to start and end with these arguments. */
async function milliseconds(namespace, args) {
  const start = performance.now();
  const command = [...entering(namespace), process.execPath, ...args];
  const child = endingWithBench(spawn('nsenter', command, { stdio: 'inherit' }));
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}`);
  return performance.now() - start;
}
