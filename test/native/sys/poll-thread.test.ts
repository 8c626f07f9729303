/** The thread that polls where the runtime's libuv cannot, without any runtime: see poll_thread_test.cc. */
import t from 'tap';
import { buildDriver, runDriver } from '../../kit/native-program.js';

const NAMES = [
  'one event for each arming',
  'a hang-up that nobody waits for is not reported',
  'a duplicate that lives on is not reported',
  'what cannot be polled is refused',
  'one wake until it is taken',
  'descriptors that come and go',
  'ending while it reports',
];

for (const sanitizer of ['address', 'thread'] as const) {
  t.test(`with the sanitizer of ${sanitizer}`, async (t) => {
    const program = await buildDriver('sys/poll_thread_test', {
      parts: ['sys/epoll/poll_thread.cc'],
      sanitizer,
    });
    for (const name of NAMES) t.equal(await runDriver(program, name), 'so it is', name);
  });
}
