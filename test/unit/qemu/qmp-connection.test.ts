/** QmpClient: how its connection begins, and what ends it. */
import { once } from 'node:events';
import t from 'tap';
import { QmpClient } from 'tapfd/qemu';
import { connected, silent } from '../../kit/fake-connection.js';
import { FakeMonitor, GREETING, refusal } from '../../kit/fake-monitor.js';

t.test('the end of the connection', async (t) => {
  t.test('by QEMU: everything that waits fails, and close says why', async (t) => {
    const { monitor, qmp } = await connected(t, silent);
    const closed = once(qmp, 'close');
    const waiting = [qmp.execute('quit'), qmp.execute('query-status')];
    monitor.end();
    for (const call of waiting) await t.rejects(call, { code: 'ERR_TAPFD_QMP_CLOSED' });
    t.match(await closed, [{ code: 'ERR_TAPFD_QMP_CLOSED' }]);
    t.equal(qmp.closed, true);
    await t.rejects(qmp.execute('query-status'), {
      code: 'ERR_TAPFD_QMP_CLOSED',
      message: /^query-status: the connection to QEMU is over/,
    });
  });

  t.test('by an error', async (t) => {
    for (const error of [Object.assign(new Error('reset'), { code: 'ECONNRESET' }), 'no error at all']) {
      const { monitor, qmp } = await connected(t, silent);
      const closed = once(qmp, 'close');
      const call = qmp.execute('quit');
      monitor.end(error);
      await t.rejects(call, { code: 'ERR_TAPFD_QMP_CLOSED', cause: Error });
      t.match(await closed, [Error]);
    }
  });

  t.test('by close(): the event comes without an error', async (t) => {
    const { monitor, qmp } = await connected(t, silent);
    const closed = once(qmp, 'close');
    const call = qmp.execute('query-status');
    const closing = qmp.close();
    t.equal(qmp.closed, true);
    await t.rejects(call, {
      code: 'ERR_TAPFD_QMP_CLOSED',
      message: 'query-status: the client was closed',
    });
    await closing;
    t.strictSame(await closed, []);
    await qmp.close();
    await qmp[Symbol.asyncDispose]();
    t.strictSame(monitor.calls, ['close'], 'once');
  });
});

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

t.test('what is no QMP ends the connection', async (t) => {
  const wrong: (object | string)[] = [
    'QEMU 7.2.22 monitor - type help for more information\n',
    '[]\n',
    '{"neither":1}\n',
    { error: { class: 'GenericError' }, id: 2 },
    { error: 'x', id: 2 },
    { error: { class: 'GenericError', desc: 'x' }, id: 'stranger' },
    { return: {}, id: 'stranger' },
    { event: 5, timestamp: {} },
    { event: 'STOP', data: [], timestamp: {} },
    { event: 'STOP' },
    { event: 'STOP', timestamp: { seconds: '1', microseconds: {} } },
    GREETING,
    ...['2', [2], { toString: 1 }].map((id) => ({ return: {}, id })),
    `{"return": {}, "id": ${nested(200_000)}}\n`,
    `{"event": "STOP", "data": {"a": ${nested(1100)}}, "timestamp": {"seconds": 1, "microseconds": 2}}\n`,
  ];
  for (const said of wrong) {
    const { monitor, qmp } = await connected(t, silent);
    const closed = once(qmp, 'close');
    const call = qmp.execute('query-status');
    monitor.say(said);
    await t.rejects(call, { code: 'ERR_TAPFD_QMP_PROTOCOL', message: /^query-status: .*does not speak QMP/ });
    t.match(await closed, [{ code: 'ERR_TAPFD_QMP_PROTOCOL' }], JSON.stringify(said));
    t.strictSame(monitor.calls, ['close']);
  }
});

t.test(
  'a command that QEMU cannot read ends the connection: its refusal belongs to no command',
  async (t) => {
    const { monitor, qmp } = await connected(t, silent);
    const call = qmp.execute('query-status');
    monitor.say({ error: { class: 'GenericError', desc: 'JSON parse error' } });
    await t.rejects(call, {
      code: 'ERR_TAPFD_QMP_PROTOCOL',
      message: 'query-status: QEMU could not read a command: JSON parse error',
    });
  },
);

t.test('a line without end', async (t) => {
  const { monitor, qmp } = await connected(t);
  const closed = once(qmp, 'close');
  const piece = new Uint8Array(16 * 1024 * 1024).fill(32);
  for (let i = 0; i < 5; i += 1) monitor.sayBytes(piece);
  t.match(await closed, [{ code: 'ERR_TAPFD_QMP_PROTOCOL', message: /16777216 bytes/ }]);
});

t.test('connecting', async (t) => {
  t.test('to something else', async (t) => {
    const { version } = GREETING.QMP;
    const wrong = [
      { QMP: {} },
      { QMP: { version: {} } },
      { QMP: 5 },
      { QMP: { version: { ...version, qemu: { major: '7', minor: 2, micro: 0 } } } },
      { QMP: { version: { ...version, package: { toString: 1 } } } },
      { QMP: { version, capabilities: [{ toString: 1 }] } },
      'SSH-2.0-x\n',
    ];
    for (const greeting of wrong) {
      const monitor = new FakeMonitor(silent, greeting);
      await t.rejects(QmpClient.connect(monitor), { code: 'ERR_TAPFD_QMP_PROTOCOL' });
      t.strictSame(monitor.calls, ['close']);
    }
    const bare = { QMP: { version: GREETING.QMP.version } };
    t.strictSame((await QmpClient.connect(new FakeMonitor(undefined, bare))).greeting.capabilities, []);
  });

  t.test('to one that ends, or refuses', async (t) => {
    const ending = new FakeMonitor(silent, '');
    ending.close();
    await t.rejects(QmpClient.connect(ending), { code: 'ERR_TAPFD_QMP_CLOSED', message: /^connect: / });
    const refusing = new FakeMonitor(() => refusal('no'));
    await t.rejects(QmpClient.connect(refusing), { code: 'ERR_TAPFD_QMP' });
    t.strictSame(refusing.calls, ['close']);
  });

  t.test('an event between greeting and answer is of no harm', async (t) => {
    const monitor = new FakeMonitor(({ id }) => {
      monitor.happen('RESUME');
      return { return: {}, id };
    });
    await t.resolves(QmpClient.connect(monitor));
  });

  t.test('to one that ends right after the negotiation: close is emitted all the same', async (t) => {
    const monitor = new FakeMonitor(() => {
      monitor.end();
      return { return: {} };
    });
    const [error] = await once(await QmpClient.connect(monitor), 'close');
    t.match(error, { code: 'ERR_TAPFD_QMP_CLOSED' });
  });

  t.test('aborted: QEMU lets a second client wait without a word', async (t) => {
    const aborter = new AbortController();
    const monitor = new FakeMonitor(silent, '');
    const connecting = QmpClient.connect(monitor, { signal: aborter.signal });
    aborter.abort(new Error('busy'));
    await t.rejects(connecting, { message: 'busy' });
    t.strictSame(monitor.calls, ['close']);
    await t.rejects(QmpClient.connect('/nowhere', { signal: aborter.signal }), { message: 'busy' });
    const given = new FakeMonitor();
    await t.rejects(QmpClient.connect(given, { signal: aborter.signal }), { message: 'busy' });
    t.strictSame([given.calls, given.commands], [['close'], []], 'a connection that was given is closed');

    const untouched = new AbortController();
    const client = await QmpClient.connect(new FakeMonitor(), { signal: untouched.signal });
    untouched.abort();
    t.strictSame(await client.execute('query-status'), {}, 'it is for the connecting only');
  });

  t.test('to a path', async (t) => {
    await t.rejects(QmpClient.connect('/nonexistent/qmp'), { code: 'ENOENT' });
    const { signal } = new AbortController();
    await t.rejects(QmpClient.connect('/nonexistent/qmp', { signal }), { code: 'ENOENT' });
  });
});

t.test('an answer may be as deep as QEMU makes one, and texts count for nothing', async (t) => {
  const deep = nested(1000);
  const text = '[{"\\'.repeat(2000);
  const { qmp } = await connected(t, () => ({
    return: JSON.parse(`{"a": ${deep}, "b": ${JSON.stringify(text)}}`),
  }));
  t.match(await qmp.execute('query-status'), { b: text });
});

t.test('ref and unref are those of the connection', async (t) => {
  const { monitor, qmp } = await connected(t);
  t.equal(qmp.unref(), qmp);
  t.equal(qmp.ref(), qmp);
  t.strictSame(monitor.calls, ['unref', 'ref']);
});
