/** Receiving, with something that happens between its system calls: see unix_socket_test.cc. */
import t from 'tap';
import { buildDriver, runDriver } from '../../kit/native-program.js';

for (const name of [
  'a message that comes after an empty look keeps its descriptors',
  'descriptors that another reader of the socket makes us lose',
]) {
  t.test(name, async (t) => {
    const program = await buildDriver('sys/unix_socket_test', { parts: ['sys/unix_socket.cc'] });
    t.equal(await runDriver(program, name), 'so it is');
  });
}
