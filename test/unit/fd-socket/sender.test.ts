/** FdSender over a socket that does what a test wants. */
import t, { type Test } from 'tap';
import type { NativeFdSocket } from '#lib/base/native-fd-socket.js';
import { FdSender } from '#lib/fd-socket/sender.js';
import { loopTurns, MOST_IN_A_TURN } from '../../kit/loop-turns.js';

/** A socket that takes at most `atOnce` bytes at a time, and never has enough. */
function hungrySocket(t: Test, atOnce: number) {
  const turns = loopTurns();
  t.teardown(turns.stop);
  const socket: Partial<NativeFdSocket> = {
    send(data, offset) {
      turns.note();
      return Math.min(atOnce, data.length - offset);
    },
  };
  return { socket: socket as NativeFdSocket, turns };
}

t.test('a peer that takes a long message without pause: other work gets its turn', async (t) => {
  const { socket, turns } = hungrySocket(t, 1);
  await new FdSender(socket).send(new Uint8Array(1000), []);
  t.ok(turns.most <= MOST_IN_A_TURN, `${turns.most} calls in one turn`);
});

t.test('and many short ones', async (t) => {
  const { socket, turns } = hungrySocket(t, 10);
  const sender = new FdSender(socket);
  await Promise.all(Array.from({ length: 1000 }, () => sender.send(new Uint8Array(1), [])));
  t.ok(turns.most <= MOST_IN_A_TURN, `${turns.most} calls in one turn`);
});
