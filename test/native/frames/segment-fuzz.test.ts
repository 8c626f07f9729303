import t from 'tap';
import { buildDriver, runDriver } from '../../kit/native-program.js';

// The compiler takes most of it.
t.setTimeout(300_000);

const MUTATIONS = 2_000_000;

t.test(
  'two million malformed frames and vnet headers: nothing is read or written past its end',
  async (t) => {
    const said = await runDriver(await buildDriver('segment_fuzz'), String(MUTATIONS));
    t.match(said, /^\d+ mutations: \d+ without fault, \d+ segments, \d+ frames joined$/);
    t.ok(Number.parseInt(said, 10) >= MUTATIONS);
  },
);
