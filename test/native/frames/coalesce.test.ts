import t from 'tap';
import { buildDriver, runDriver } from '../../kit/native-program.js';

// The compiler takes most of it.
t.setTimeout(300_000);

t.test(
  'what belongs together is joined, what differs never; cutting gives back what was joined',
  async (t) => {
    t.match(await runDriver(await buildDriver('coalesce_test')), /^\d+ kinds, \d+ random streams$/);
  },
);
