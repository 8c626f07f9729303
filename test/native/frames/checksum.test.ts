import t from 'tap';
import { buildDriver, runDriver } from '../../kit/native-program.js';

// Most of it is compiling.
t.setTimeout(300_000);

t.test('sums are those of RFC 1071, at each length and alignment', async (t) => {
  t.match(await runDriver(await buildDriver('frames/checksum_test')), /^\d+ sums$/);
});

t.test('and without the vectors of newer processors', async (t) => {
  const program = await buildDriver('frames/checksum_test', { defines: ['TAPFD_BASELINE_CHECKSUM'] });
  t.match(await runDriver(program), /^\d+ sums$/);
});
