import t from 'tap';
import { buildDriver, runDriver } from '../../kit/native-program.js';

// Most of it is compiling.
t.setTimeout(300_000);

t.test(
  'frames that belong together are joined, frames that differ never are; splitting restores what was joined',
  async (t) => {
    t.match(await runDriver(await buildDriver('frames/coalesce_test')), /^\d+ kinds, \d+ random streams$/);
  },
);
