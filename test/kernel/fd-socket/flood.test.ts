/** Peers that never pause: timers, aborts and everything else in the process still get their turn. */
import t from 'tap';
import { FdSocket } from 'tapfd';
import { QmpClient } from 'tapfd/qemu';
import { needs } from '../../kit/capabilities.js';
import { closeAll } from '../../kit/fd-messages.js';
import { loopTurns, MOST_IN_A_TURN } from '../../kit/loop-turns.js';
import { python3 } from '../../kit/python-peer.js';

const MANY = 1000;

t.test('a peer that answers each message at once', async (t) => {
  const [a, b] = FdSocket.pair();
  t.teardown(() => closeAll(a, b));
  const turns = loopTurns();
  t.teardown(turns.stop);
  await a.send('x');
  let received = 0;
  for await (const message of b) {
    received += message.data.length;
    turns.note();
    if (received >= MANY) break;
    await a.send('x');
  }
  t.ok(turns.most <= MOST_IN_A_TURN, `${turns.most} messages in one turn`);
});

t.test('sending to a peer that takes everything', async (t) => {
  const [a, b] = FdSocket.pair();
  t.teardown(() => closeAll(a, b));
  const turns = loopTurns();
  t.teardown(turns.stop);
  // As many as fit into the socket's buffer, even if nobody reads.
  for (let sent = 0; sent < 200; sent += 1) {
    await a.send('x');
    turns.note();
  }
  t.ok(turns.most <= MOST_IN_A_TURN, `${turns.most} messages in one turn`);
});

t.test('connections that come without pause', async (t) => {
  const name = `@tapfd-${process.pid}-flood`;
  await using server = await FdSocket.listen(name);
  const clients = await Promise.all(Array.from({ length: 120 }, () => FdSocket.connect(name)));
  t.teardown(() => closeAll(...clients));
  const turns = loopTurns();
  t.teardown(turns.stop);
  let accepted = 0;
  for await (const socket of server) {
    t.teardown(() => closeAll(socket));
    turns.note();
    accepted += 1;
    if (accepted === clients.length) break;
  }
  t.ok(turns.most <= MOST_IN_A_TURN, `${turns.most} connections in one turn`);
});

const GREETING =
  '{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}, "capabilities": []}}';
const EVENT = '{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}';

for (const [what, lines] of Object.entries({
  events: `${EVENT}\\n`,
  'blank lines': '\\n',
  'one endless line': ' ',
})) {
  t.test(`a monitor that sends ${what} without pause`, { skip: needs('python3') }, async (t) => {
    const peer = python3(
      t,
      `
import threading
peer.sendall(b'${GREETING}\\n')
peer.recv(1000)
peer.sendall(b'{"return": {}, "id": 1}\\n')
def flood():
  try:
    while True: peer.sendall(b'${lines}' * 4096)
  except OSError: pass
flood()
`,
    );
    const qmp = await QmpClient.connect(peer.socket);
    const turns = loopTurns();
    t.teardown(turns.stop);
    qmp.on('STOP', () => turns.note());
    qmp.on('close', () => undefined);
    const never = qmp.waitForEvent('NEVER', {
      signal: AbortSignal.timeout(what === 'one endless line' ? 60_000 : 100),
    });
    await t.rejects(
      never,
      what === 'one endless line' ? { code: 'ERR_TAPFD_QMP_PROTOCOL' } : { name: 'TimeoutError' },
    );
    t.ok(turns.most <= MOST_IN_A_TURN, `${turns.most} events in one turn`);
    await qmp.close();
  });
}
