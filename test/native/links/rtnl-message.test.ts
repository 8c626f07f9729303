/** The parser of netlink messages on malformed ones. */
import t from 'tap';
import { buildDriver, runDriver } from '../../kit/native-program.js';

const PARTS = [
  'links/rtnl/message.cc',
  'links/link.cc',
  'links/link_from_message.cc',
  'links/link_request.cc',
  'links/rtnl/socket.cc',
  'sys/net_namespace.cc',
  'sys/looked_at.cc',
];

t.test('malformed messages are read as far as they are valid and no further', async (t) => {
  const program = await buildDriver('links/rtnl_message_test', { parts: PARTS, optimize: '-O0' });
  t.equal(await runDriver(program), 'all right');
});
