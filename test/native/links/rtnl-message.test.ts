/** The parser of netlink messages on malformed ones. */
import t from 'tap';
import { buildDriver, RTNL_PARTS, runDriver } from '../../kit/native-program.js';

t.test('malformed messages are read as far as they are valid and no further', async (t) => {
  const program = await buildDriver('links/rtnl_message_test', { parts: RTNL_PARTS, optimize: '-O0' });
  t.equal(await runDriver(program), 'all right');
});
