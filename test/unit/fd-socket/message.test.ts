/** FdMessage, made from what a receive returned. */
import t from 'tap';
import { FdMessage } from '#lib/fd-socket/message.js';

t.test('lost descriptors are no message', async (t) => {
  const received = { bytes: 3, end: false, truncated: false, lostFds: true };
  t.throws(() => FdMessage.from(received, Buffer.alloc(10)), {
    code: 'ERR_TAPFD_FDS_LOST',
    message: /3 bytes and their descriptors are lost/,
    recoverable: true,
  });
});
