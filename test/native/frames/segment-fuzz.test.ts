import t from 'tap';
import { depth } from '../../kit/depth.js';
import { buildDriver, runDriver } from '../../kit/native-program.js';

// Most of it is compiling.
t.setTimeout(300_000);

/** The same ones each time: a longer run continues from there. */
const MUTATIONS = depth({ brief: 500_000, bounded: 2_000_000, deep: 20_000_000 });

t.test(
  'malformed frames and vnet headers by the hundred thousand: nothing is read or written past its end',
  async (t) => {
    const said = await runDriver(await buildDriver('frames/segment_fuzz'), String(MUTATIONS));
    t.match(said, /^\d+ mutations: \d+ without fault, \d+ segments, \d+ frames joined$/);
    t.ok(Number.parseInt(said, 10) >= MUTATIONS);
  },
);
