import t from 'tap';
import { buildDriver, runDriver } from '../../kit/native-program.js';

// Most of it is compiling.
t.setTimeout(300_000);

t.test('reading: super-frames are split, malformed and oversized ones end nothing', async (t) => {
  t.equal(await runDriver(await buildDriver('frames/segment_read_test')), 'reads');
});

t.test('a kernel that refuses joined frames or loses some, and a lost device', async (t) => {
  t.equal(await runDriver(await buildDriver('frames/segment_write_test')), 'writes');
});

t.test(
  'a batch that waits: another batch at its address, new rules, memory that is gone; outcomes as without joining',
  async (t) => {
    t.equal(await runDriver(await buildDriver('frames/segment_waiting_test')), 'waits');
  },
);
