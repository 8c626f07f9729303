import t from 'tap';
import { buildDriver, runDriver } from '../../kit/native-program.js';

// Most of it is compiling.
t.setTimeout(300_000);

t.test(
  'super-frames are split into the frames a sender would have built; malformed ones are refused',
  async (t) => {
    t.match(await runDriver(await buildDriver('frames/segment_test')), /^\d+ super-frames, \d+ faults$/);
  },
);
