import t from 'tap';
import { buildDriver, runDriver } from '../../kit/native-program.js';

// Most of it is compiling.
t.setTimeout(300_000);

t.test(
  'a kernel that is full or refuses joined frames, and a lost device; malformed or oversized super-frames',
  async (t) => {
    t.equal(await runDriver(await buildDriver('frames/segment_io_test')), 'reads and writes');
  },
);
