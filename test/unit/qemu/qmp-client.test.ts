/** The protocol, against a monitor that says what the test wants. */
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { QmpClient, QmpError } from 'tapfd/qemu';
import { type Command, FakeMonitor, GREETING, refusal } from '../../kit/fake-monitor.js';

async function connected(t: Test, answer?: (command: Command) => object | undefined) {
  const monitor = new FakeMonitor();
  const qmp = await QmpClient.connect(monitor);
  t.teardown(() => qmp[Symbol.asyncDispose]());
  if (answer !== undefined) monitor.answer = answer;
  return { monitor, qmp };
}

const silent = (): undefined => undefined;

t.test('negotiates, and knows who is there', async (t) => {
  const { monitor, qmp } = await connected(t);
  t.strictSame(
    monitor.commands.map(({ execute, arguments: args }) => [execute, args]),
    [['qmp_capabilities', {}]],
  );
  t.strictSame(qmp.greeting, {
    version: { major: 7, minor: 2, micro: 22 },
    package: 'Debian',
    capabilities: ['oob'],
  });
  t.equal(qmp.closed, false);
});

t.test('an answer is that of its command, in whatever order and pieces they come', async (t) => {
  const { monitor, qmp } = await connected(t, silent);
  const first = qmp.execute('query-a', { x: 'é😀' });
  const second = qmp.execute('query-b');
  const third = qmp.execute('query-c');
  const [a, b, c] = monitor.commands.slice(1);
  t.match([a.execute, a.arguments, b.arguments], ['query-a', { x: 'é😀' }, {}]);
  const bytes = Buffer.from(
    [
      { return: 'B', id: b.id },
      { error: { class: 'GenericError', desc: 'no é' }, id: c.id },
      { return: ['é'], id: a.id },
    ]
      .map((message) => JSON.stringify(message))
      .join('\r\n\r\n'),
  );
  for (const byte of bytes) monitor.sayBytes(Uint8Array.of(byte));
  monitor.say('\n');
  t.equal(await second, 'B');
  await t.rejects(third, {
    name: 'TapfdError',
    code: 'ERR_TAPFD_QMP',
    qmpClass: 'GenericError',
    command: 'query-c',
    detail: 'no é',
    recoverable: true,
    message: 'query-c: QEMU says: no é (GenericError)',
  });
  t.ok((await third.catch((error) => error)) instanceof QmpError);
  t.strictSame(await first, ['é']);
});

t.test('descriptors go with the command', async (t) => {
  const { monitor, qmp } = await connected(t);
  await qmp.execute('getfd', { fdname: 'x' }, { fds: [1, { fd: 2 }] });
  t.strictSame(monitor.commands.at(-1)?.fds, [1, 2]);
  await t.rejects(qmp.execute('getfd', { fdname: 'x' }, { fds: [999_999] }), { code: 'EBADF' });
  t.equal(monitor.commands.length, 2, 'a closed one is found before anything is sent');
});

t.test('events: all of them, and each by its name', async (t) => {
  const { monitor, qmp } = await connected(t);
  const seen: unknown[] = [];
  qmp.on('event', ({ event }) => seen.push(event));
  qmp.on('SHUTDOWN', ({ data, timestamp }) => seen.push(data, timestamp));
  qmp.on('close', () => seen.push('closed'));
  monitor.happen('SHUTDOWN', { guest: true });
  monitor.happen('RESUME');
  monitor.happen('__org.example_NEWS');
  // Not QEMU's, and not to be taken for the end, nor to be thrown.
  monitor.happen('close');
  monitor.happen('error');
  await qmp.execute('query-status');
  t.strictSame(seen, [
    'SHUTDOWN',
    { guest: true },
    { seconds: 1, microseconds: 2 },
    'RESUME',
    '__org.example_NEWS',
    'close',
    'error',
  ]);
});

t.test("a listener's exception is uncaught, and the connection goes on", async (t) => {
  const { monitor, qmp } = await connected(t);
  const mine = new Error('mine');
  qmp.on('STOP', () => {
    throw mine;
  });
  const uncaught = new Promise((resolve) => {
    process.setUncaughtExceptionCaptureCallback(resolve);
  });
  t.teardown(() => process.setUncaughtExceptionCaptureCallback(null));
  monitor.happen('STOP');
  t.equal(await uncaught, mine);
  t.strictSame(await qmp.execute('query-status'), {});
});

t.test('waiting for an event', async (t) => {
  const { monitor, qmp } = await connected(t);
  const where = (data: Readonly<Record<string, unknown>>): boolean => data.device === 'b';
  const wanted = qmp.waitForEvent('DEVICE_DELETED', { where });
  const any = qmp.waitForEvent('DEVICE_DELETED');
  monitor.happen('STOP', { device: 'b' });
  monitor.happen('DEVICE_DELETED', { device: 'a' });
  monitor.happen('DEVICE_DELETED', { device: 'b' });
  t.strictSame((await any).data, { device: 'a' });
  t.strictSame((await wanted).data, { device: 'b' });

  const aborter = new AbortController();
  const aborted = qmp.waitForEvent('STOP', { signal: aborter.signal });
  aborter.abort(new Error('enough'));
  await t.rejects(aborted, { message: 'enough' });
  await t.rejects(qmp.waitForEvent('STOP', { signal: aborter.signal }), { message: 'enough' });

  const failing = qmp.waitForEvent('STOP', {
    where: () => {
      throw new Error('cannot tell');
    },
  });
  monitor.happen('STOP');
  await t.rejects(failing, { message: 'cannot tell' });

  const lost = qmp.waitForEvent('STOP');
  monitor.end();
  await t.rejects(lost, { code: 'ERR_TAPFD_QMP_CLOSED', message: /waiting for STOP.*QEMU has closed it/ });
  await t.rejects(qmp.waitForEvent('STOP'), { code: 'ERR_TAPFD_QMP_CLOSED' });
});

t.test('a command that takes too long', async (t) => {
  const { monitor, qmp } = await connected(t, silent);
  const aborter = new AbortController();
  const slow = qmp.execute('query-slow', {}, { signal: aborter.signal });
  aborter.abort(new Error('too long'));
  await t.rejects(slow, { message: 'too long' });
  monitor.answer = () => ({ return: 'quick' });
  monitor.say({ return: 'late', id: monitor.commands.at(-1)?.id });
  t.equal(await qmp.execute('query-quick'), 'quick', 'the late answer is nobody else’s');
  const before = monitor.commands.length;
  await t.rejects(qmp.execute('x', {}, { signal: aborter.signal }), { message: 'too long' });
  t.equal(monitor.commands.length, before, 'nothing is sent for what was aborted before');
});

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

t.test('a command that cannot be sent fails alone', async (t) => {
  const { monitor, qmp } = await connected(t);
  monitor.sendError = Object.assign(new Error('too many'), { code: 'EMFILE' });
  await t.rejects(qmp.execute('getfd'), monitor.sendError);
  monitor.sendError = Object.assign(new Error('gone'), { code: 'EPIPE' });
  await t.rejects(qmp.execute('getfd'), { code: 'ERR_TAPFD_QMP_CLOSED', cause: monitor.sendError });
  monitor.sendError = undefined;
  t.strictSame(await qmp.execute('query-status'), {});
});

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
    GREETING,
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

t.test('a command that QEMU cannot read ends the connection: its refusal is nobody’s', async (t) => {
  const { monitor, qmp } = await connected(t, silent);
  const call = qmp.execute('query-status');
  monitor.say({ error: { class: 'GenericError', desc: 'JSON parse error' } });
  await t.rejects(call, {
    code: 'ERR_TAPFD_QMP_PROTOCOL',
    message: 'query-status: QEMU could not read a command: JSON parse error',
  });
});

t.test('a line without end', async (t) => {
  const { monitor, qmp } = await connected(t);
  const closed = once(qmp, 'close');
  const piece = new Uint8Array(16 * 1024 * 1024).fill(32);
  for (let i = 0; i < 5; i += 1) monitor.sayBytes(piece);
  t.match(await closed, [{ code: 'ERR_TAPFD_QMP_PROTOCOL', message: /67108864 bytes/ }]);
});

t.test('connecting', async (t) => {
  t.test('to something else', async (t) => {
    for (const greeting of [{ QMP: {} }, { QMP: { version: {} } }, { QMP: 5 }, 'SSH-2.0-x\n']) {
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

t.test('ref and unref are those of the connection', async (t) => {
  const { monitor, qmp } = await connected(t);
  t.equal(qmp.unref(), qmp);
  t.equal(qmp.ref(), qmp);
  t.strictSame(monitor.calls, ['unref', 'ref']);
});

t.test('misuse', async (t) => {
  const { qmp } = await connected(t);
  const cyclic: { self?: object } = {};
  cyclic.self = cyclic;
  const bad: [Promise<unknown>, string][] = [
    // @ts-expect-error: the wrong types on purpose, here and below
    [QmpClient.connect(5), 'where'],
    // @ts-expect-error
    [QmpClient.connect('/x', 5), 'options'],
    // @ts-expect-error
    [QmpClient.connect('/x', { signal: 5 }), 'signal'],
    [qmp.execute(''), 'command'],
    // @ts-expect-error
    [qmp.execute(5), 'command'],
    // @ts-expect-error
    [qmp.execute('x', 5), 'args'],
    [qmp.execute('x', cyclic), 'args'],
    [qmp.execute('x', { a: ['half a pair: \ud83d'] }), 'args'],
    [qmp.execute('x', { '\ude00': 1 }), 'args'],
    // @ts-expect-error
    [qmp.execute('x', {}, { fds: 5 }), 'fds'],
    // @ts-expect-error
    [qmp.execute('x', {}, { signal: 5 }), 'signal'],
    [qmp.waitForEvent(''), 'name'],
    // @ts-expect-error
    [qmp.waitForEvent(5), 'name'],
    // @ts-expect-error
    [qmp.waitForEvent('X', { where: 5 }), 'where'],
    [qmp.removeNic('7'), 'id'],
    // @ts-expect-error
    [qmp.addNic(5), 'nic'],
    // @ts-expect-error
    [qmp.addNic({ via: 'mail' }), 'nic.via'],
    // @ts-expect-error
    [qmp.addNic({}), 'nic.device'],
    // @ts-expect-error
    [qmp.addNic({}, { undoTimeoutMs: 0 }), 'undoTimeoutMs'],
  ];
  for (const [call, argument] of bad) {
    await t.rejects(call, { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument }, argument);
  }
});
