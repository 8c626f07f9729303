/** QmpClient: commands, answers and events. */
import t from 'tap';
import { QmpClient, QmpError } from 'tapfd/qemu';
import { connected, silent } from '../../kit/fake-connection.js';

t.test('negotiates, and knows the version', async (t) => {
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
  // Not QEMU's: it must neither count as the end nor be thrown.
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

t.test("a listener's exception is uncaught, and the connection lives on", async (t) => {
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

t.test('after close() nothing of what came in the same piece is reported', async (t) => {
  const { monitor, qmp } = await connected(t);
  const seen: string[] = [];
  const waiting = qmp.waitForEvent('RESUME');
  qmp.on('event', ({ event }) => {
    seen.push(event);
    void qmp.close();
  });
  qmp.on('STOP', () => seen.push('by its name, after the end'));
  qmp.on('RESUME', () => seen.push('after the end'));
  const line = (event: string) => JSON.stringify({ event, timestamp: { seconds: 1, microseconds: 2 } });
  monitor.say(`${line('STOP')}\n${line('RESUME')}\n`);
  await t.rejects(waiting, { code: 'ERR_TAPFD_QMP_CLOSED' });
  t.strictSame(seen, ['STOP']);
});

t.test('the type of an answer', async (t) => {
  const { qmp } = await connected(t, () => ({ return: { running: true } }));
  const { running }: { running: boolean } = await qmp.execute<{ running: boolean }>('query-status');
  t.equal(running, true);
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
  const undecided = qmp.waitForEvent('STOP', { where: (async () => false) as never });
  monitor.happen('STOP');
  await t.rejects(failing, { message: 'cannot tell' });
  await t.rejects(undecided, { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'where' });

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

t.test('a command that cannot be sent fails alone', async (t) => {
  const { monitor, qmp } = await connected(t);
  monitor.sendError = Object.assign(new Error('too many'), { code: 'EMFILE' });
  await t.rejects(qmp.execute('getfd'), monitor.sendError);
  monitor.sendError = Object.assign(new Error('gone'), { code: 'EPIPE' });
  await t.rejects(qmp.execute('getfd'), { code: 'ERR_TAPFD_QMP_CLOSED', cause: monitor.sendError });
  monitor.sendError = undefined;
  t.strictSame(await qmp.execute('query-status'), {});
});

t.test('misuse', async (t) => {
  const { qmp } = await connected(t);
  const cyclic: { self?: object } = {};
  cyclic.self = cyclic;
  const bad: [Promise<unknown>, string][] = [
    // @ts-expect-error: the wrong types on purpose, here and below
    [QmpClient.connect(5), 'where'],
    // @ts-expect-error
    [QmpClient.connect({}), 'where'],
    // @ts-expect-error
    [QmpClient.connect({ send: () => {}, [Symbol.asyncIterator]: () => ({}) }), 'where'],
    // @ts-expect-error
    [QmpClient.connect('/x', 5), 'options'],
    // @ts-expect-error
    [QmpClient.connect('/x', { Signal: undefined, timeout: 5 }), 'timeout'],
    // @ts-expect-error
    [QmpClient.connect('/x', {}, {}), 'argument 3'],
    // @ts-expect-error
    [qmp.execute('x', {}, { fd: [1] }), 'fd'],
    // @ts-expect-error
    [qmp.execute('x', {}, {}, {}), 'argument 4'],
    [qmp.execute('x', {}, { fds: new Array(1) }), 'fds[0]'],
    // @ts-expect-error
    [qmp.waitForEvent('X', { Where: () => true }), 'Where'],
    // @ts-expect-error
    [qmp.waitForEvent('X', {}, {}), 'argument 3'],
    // @ts-expect-error
    [qmp.removeNic('x', { force: true }), 'force'],
    // @ts-expect-error
    [qmp.removeNic('x', {}, {}), 'argument 3'],
    // @ts-expect-error
    [qmp.addNic({ device: [], Mac: 'x' }), 'nic.Mac'],
    // @ts-expect-error
    [qmp.addNic({ device: [] }, { undoTimeout: 5 }), 'undoTimeout'],
    // @ts-expect-error
    [qmp.addNic({ device: [] }, {}, {}), 'argument 3'],
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

t.test(
  'a listener that closes the client hears no more, not even of what came in the same piece',
  async (t) => {
    const { monitor, qmp } = await connected(t);
    const seen: string[] = [];
    qmp.on('event', ({ event }) => {
      seen.push(event);
      void qmp.close();
    });
    const event = (name: string) =>
      JSON.stringify({ event: name, timestamp: { seconds: 1, microseconds: 2 } });
    monitor.sayBytes(Buffer.from(`${event('STOP')}\r\n${event('RESUME')}\r\n`));
    await new Promise(setImmediate);
    t.same(seen, ['STOP']);
  },
);
