/** Expectations of frames: found, not found, and what a test then reads. */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { encodeFrame, encodePacket, type PacketPattern } from 'tapfd/packets';
import { captureFrames, createFramePair, expectFrame, FrameExpectationError } from 'tapfd/testing';
import { closedWith } from '../../kit/closed-with.js';

const MACS = { source: '02:00:00:00:00:01', destination: 'ff:ff:ff:ff:ff:ff' };

function udpFrame(destinationPort: number, payload = ''): Buffer {
  return encodeFrame({
    ethernet: MACS,
    ipv4: { source: '10.0.0.1', destination: '10.0.0.2' },
    udp: { sourcePort: 40_000, destinationPort },
    payload: Buffer.from(payload),
  });
}

/** What a kernel sends of its own accord. */
const SOLICITATION = encodeFrame({
  ethernet: { ...MACS, destination: '33:33:00:00:00:02' },
  ipv6: { source: 'fe80::1', destination: 'ff02::2' },
  icmpv6: { type: 'router-solicitation' },
});

async function pairOf(t: Test) {
  return closedWith(t, await createFramePair());
}

/** The error that a call rejects with. */
async function failure(call: Promise<unknown>): Promise<FrameExpectationError> {
  const error = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (error instanceof FrameExpectationError) return error;
  throw new Error(`no FrameExpectationError: ${error}`);
}

t.test('expectFrame: by fields, by a function, by bytes', async (t) => {
  const { a, b } = await pairOf(t);
  for (const port of [1, 2, 3, 4, 5]) a.write(udpFrame(port));
  t.same(await expectFrame(b, { udp: { destinationPort: 2 } }), udpFrame(2));
  t.same(await expectFrame(b, ({ udp }) => udp?.destinationPort === 3), udpFrame(3));
  t.same(await expectFrame(b, (_packet, frame) => frame.equals(udpFrame(4))), udpFrame(4));
  t.same(await expectFrame(b, new Uint8Array(udpFrame(5))), udpFrame(5));
  const later = expectFrame(b, { udp: { destinationPort: 6 } });
  await nextTurn();
  a.writeBatch([udpFrame(6), udpFrame(7)]);
  t.same(await later, udpFrame(6));
  t.same(await expectFrame(b, () => true), udpFrame(7), 'the frame behind it is read next');
});

t.test('noise is no frame, unless it is asked for', async (t) => {
  const { a, b } = await pairOf(t);
  a.writeBatch([SOLICITATION, udpFrame(1)]);
  t.same(await expectFrame(b, () => true), udpFrame(1));
  a.write(SOLICITATION);
  t.same(await expectFrame(b, () => true, { noise: true }), SOLICITATION);
  a.write(SOLICITATION);
  t.same(await expectFrame(b, { icmpv6: { type: 'router-solicitation' } }), SOLICITATION);
  a.write(SOLICITATION);
  t.same(await expectFrame(b, SOLICITATION), SOLICITATION);
  a.write(SOLICITATION);
  const error = await failure(expectFrame(b, () => false, { timeoutMs: 1000 }));
  t.match(error.message, /seen: nothing; 1 more of neighbour discovery and MLD/);
});

t.test('a time-out says what was seen, and what is wrong with the closest', async (t) => {
  const { a, b } = await pairOf(t);
  a.writeBatch([udpFrame(53), SOLICITATION, udpFrame(54, 'abc')]);
  const pattern: PacketPattern = {
    ipv4: { source: /^10\./, destination: '10.0.0.9' },
    udp: { destinationPort: 54 },
    vlans: null,
    tcp: { options: [{ value: 3 }] },
    payload: Buffer.from('x'),
    arp: { operation: (value) => value === undefined },
  };
  const error = await failure(expectFrame(b, pattern, { timeoutMs: 1000 }));
  t.equal(error.code, 'ERR_TAPFD_FRAME_EXPECTED');
  t.equal(error.recoverable, true);
  t.same(error.seen, [udpFrame(53), udpFrame(54, 'abc')]);
  t.matchOnly(error.message.split('\n').slice(0, 6), [
    'expectFrame: no frame on tap1 is as expected within 1000 ms',
    'expected: { ipv4: { source: /^10\\./, destination: "10.0.0.9" }, udp: { destinationPort: 54 }, vlans: absent, ' +
      'tcp: { options: [{ value: 3 }] }, payload: 78, arp: { operation: function operation } }',
    'seen: 2 frames; 1 more of neighbour discovery and MLD are left out (noise: true)',
    '  1. IP 10.0.0.1.40000 > 10.0.0.2.53: UDP, length 0',
    '  2. IP 10.0.0.1.40000 > 10.0.0.2.54: UDP, length 3',
    '',
  ]);
  t.match(error.message, /closest: IP 10.0.0.1.40000 > 10.0.0.2.54/);
  t.match(error.message, /> ipv4\.destination +10\.0\.0\.9 +10\.0\.0\.2 +0000 {2}ff ff ff/);
  t.match(error.message, /^> payload +78 +616263/m);
  t.match(error.message, /^ {2}udp\.destinationPort +54/m, 'what is right is shown, too');
  // In Bun the stack of an error behind an `await` has no caller.
  if (process.versions.bun === undefined) t.match(error.stack, /destination.*\n[\s\S]*expect\.test/);
});

t.test('bytes are compared field by field and byte by byte', async (t) => {
  const { a, b } = await pairOf(t);
  a.write(udpFrame(53, 'abc'));
  a.write(Buffer.alloc(300));
  const { message } = await failure(expectFrame(b, udpFrame(54, 'abd'), { timeoutMs: 1000 }));
  t.match(message, /expected: 45 bytes: IP 10\.0\.0\.1/);
  t.match(message, /^> udp\.destinationPort +54 +53/m);
  t.match(message, /^ {2}ipv4\.source +10\.0\.0\.1 +10\.0\.0\.1/m);
  t.match(message, /expected bytes\n0000 {2}ff ff/);
  t.match(message, /00 36\*00/, 'with a mark at what differs');
  a.write(udpFrame(55));
  const predicate = await failure(expectFrame(b, () => false, { timeoutMs: 1000 }));
  t.match(predicate.message, /seen: 1 frame\n/);
  t.notMatch(predicate.message, /closest/);
});

t.test('of many frames some are listed, and of long ones some bytes', async (t) => {
  const { a, b } = closedWith(t, await createFramePair({ queueFrames: 2000 }));
  for (let port = 0; port < 1005; port++) a.write(udpFrame(port, 'x'.repeat(500)));
  // Far more than it takes to read them.
  const error = await failure(expectFrame(b, { arp: {} }, { timeoutMs: 4000 }));
  t.match(error.message, /seen: 1005 frames\n {2}… 993 before\n {2}994\. IP/);
  t.equal(error.seen.length, 1000);
  t.match(error.message, /… \d+ more bytes/);
  t.match(error.message, /payload +7878787878787878787878787878787878787878…|payload .*…/);
  const predicate = await failure(
    expectFrame(
      b,
      function wanted() {
        return false;
      },
      { timeoutMs: 0 },
    ),
  );
  t.match(predicate.message, /expected: function wanted/);
});

t.test('expectFrame: what else ends it', async (t) => {
  const { a, b } = await pairOf(t);
  const controller = new AbortController();
  const aborted = t.rejects(
    expectFrame(b, () => true, { signal: controller.signal }),
    { message: 'enough' },
  );
  await nextTurn();
  controller.abort(new Error('enough'));
  await aborted;
  await t.rejects(
    expectFrame(b, () => true, { signal: controller.signal }),
    { message: 'enough' },
  );
  a.write(udpFrame(1));
  const throwing = () => {
    throw new Error('in the predicate');
  };
  await t.rejects(expectFrame(b, throwing), { message: 'in the predicate' });
  a.write(udpFrame(2));
  t.same(await expectFrame(b, () => true), udpFrame(2), 'the device goes on');
  b.resume();
  await t.rejects(
    expectFrame(b, () => true),
    { code: 'ERR_TAPFD_INVALID_STATE' },
  );
  b.pause();
  const closing = t.rejects(
    expectFrame(b, () => true),
    { code: 'ERR_TAPFD_CLOSED' },
  );
  await nextTurn();
  await b.close();
  await closing;
  await t.rejects(
    expectFrame(b, () => true),
    { code: 'ERR_TAPFD_CLOSED' },
  );
});

t.test('two expectations at once, and one beside a listener', async (t) => {
  const { a, b } = await pairOf(t);
  const busy = { code: 'ERR_TAPFD_INVALID_STATE' };
  const first = expectFrame(b, { udp: { destinationPort: 1 } });
  await t.rejects(expectFrame(b, { udp: { destinationPort: 2 } }), busy);
  a.writeBatch([udpFrame(2), udpFrame(1)]);
  t.same(await first, udpFrame(1), 'the second has not disturbed the first');
  const seen: Buffer[] = [];
  const listener = (frame: Buffer) => seen.push(frame);
  b.on('data', listener);
  await t.rejects(
    expectFrame(b, () => true),
    busy,
  );
  const log = closedWith(t, captureFrames(b, { read: false }));
  a.write(udpFrame(3));
  await log.expect({ udp: { destinationPort: 3 } });
  t.same(seen, [udpFrame(3)]);
  b.off('data', listener).pause();
  a.write(udpFrame(4));
  t.same(await expectFrame(b, () => true), udpFrame(4));
});

t.test('of two captures that read, the end of one leaves the other reading', async (t) => {
  const { a, b } = await pairOf(t);
  const [one, other] = [captureFrames(b), captureFrames(b)];
  await one.close();
  await one.close();
  a.write(udpFrame(1));
  await other.expect({ udp: { destinationPort: 1 } });
  await other.close();
  a.write(udpFrame(2));
  t.same(await expectFrame(b, () => true), udpFrame(2));
});

t.test('a capture knows what came before it was asked', async (t) => {
  const { a, b } = await pairOf(t);
  const log = closedWith(t, captureFrames(b));
  await a.writeBatch([udpFrame(1), udpFrame(2), SOLICITATION, udpFrame(3)]);
  const third = await log.expect({ udp: { destinationPort: 3 } });
  t.match(third, { direction: 'in', packet: { udp: { destinationPort: 3 } } });
  t.equal(typeof third.timestamp, 'bigint');
  t.match(await log.expect({ udp: {} }), { frame: udpFrame(1) }, 'in the order in which they came');
  t.match(await log.expect({ udp: {} }), { frame: udpFrame(2) });
  const error = await failure(log.expect({ udp: {} }, { within: 1000 }));
  t.match(error.message, /^expect: no frame on tap1 is as expected within 1000 ms/);
  t.match(error.message, /seen: 3 frames; 1 more of/, 'those that were returned are listed, too');
  b.write(udpFrame(9));
  t.match(await log.expect({ udp: {} }, { direction: 'out' }), { frame: udpFrame(9), direction: 'out' });
  await b.writeBatch([udpFrame(10), udpFrame(11)]);
  t.match(await log.expect({ udp: {} }, { direction: 'out' }), { frame: udpFrame(10) });
  t.match(await log.expect({ udp: {} }, { direction: 'out' }), { frame: udpFrame(11) });
  const later = log.expect({ udp: { destinationPort: 4 } }, { direction: 'both' });
  a.write(udpFrame(4));
  await later;
  t.equal(log.frames.length, 8);
  t.equal((await log.expect({ icmpv6: {} })).frame.length, SOLICITATION.length);
});

t.test('none: neither before nor in time', async (t) => {
  const { a, b } = await pairOf(t);
  const log = closedWith(t, captureFrames(b));
  await log.none({ udp: {} }, { for: 10 });
  a.write(udpFrame(1));
  const { code, message } = await failure(log.none({ udp: { destinationPort: 1 } }));
  t.equal(code, 'ERR_TAPFD_FRAME_UNEXPECTED');
  t.match(
    message,
    /^none: a frame on tap1 is as it must not be: IP .*\nmust not come: \{ udp: \{ destinationPort: 1 \} \}\n/,
  );
  t.match(message, /udp\.destinationPort/);
  await log.none({ arp: {} }, { for: 10 });
  await log.expect({ udp: {} });
  await log.none({ udp: {} }, { for: 10 });
  const waiting = failure(log.none(() => true, { for: 10_000 }));
  a.write(udpFrame(2));
  t.equal((await waiting).code, 'ERR_TAPFD_FRAME_UNEXPECTED');
  const controller = new AbortController();
  const aborted = t.rejects(log.none({ arp: {} }, { for: 10_000, signal: controller.signal }), {
    message: 'x',
  });
  controller.abort(new Error('x'));
  await aborted;
  await t.rejects(log.none({ arp: {} }, { signal: controller.signal }), { message: 'x' });
});

t.test('a capture beside the code that reads, and its end', async (t) => {
  const { a, b } = await pairOf(t);
  const log = captureFrames(b, { read: false, maxBytes: 100 });
  for (const port of [1, 2, 3]) a.write(udpFrame(port));
  t.same(await expectFrame(b, { udp: { destinationPort: 3 } }), udpFrame(3));
  t.same(
    log.frames.map(({ frame }) => frame),
    [udpFrame(2), udpFrame(3)],
    'the oldest goes first',
  );
  const throwing = () => {
    throw new Error('in the predicate');
  };
  await t.rejects(log.expect(throwing), { message: 'in the predicate' });
  const ending = t.rejects(log.expect({ arp: {} }), { code: 'ERR_TAPFD_CLOSED' });
  await nextTurn();
  await b.close();
  await ending;
  await log.close();
  const again = await pairOf(t);
  const closed = captureFrames(again.b);
  const left = t.rejects(closed.expect({ arp: {} }), { code: 'ERR_TAPFD_CLOSED' });
  await closed.close();
  await left;
  again.a.write(udpFrame(1));
  t.same(await expectFrame(again.b, () => true), udpFrame(1), 'it reads no more');
  t.same(closed.frames, []);
});

t.test('none() fails where frames found no room that it is about', async (t) => {
  const { a, b } = await pairOf(t);
  const log = closedWith(t, captureFrames(b, { maxBytes: 150 }));
  const arrives = async (frame: Buffer) => {
    const arrived = log.frames.length === 0 ? log.expect(frame) : once(b, 'data');
    a.write(frame);
    await arrived;
  };
  const brief = { for: 0 };
  // Returned by expect(): no longer asked for.
  await arrives(udpFrame(1));
  for (const port of [2, 3, 4]) await arrives(udpFrame(port));
  t.same(
    log.frames.map(({ packet }) => packet.udp?.destinationPort),
    [2, 3, 4],
    'the first found no room',
  );
  await log.none({ arp: {} }, brief);
  b.write(udpFrame(5));
  t.equal(log.frames.length, 3, 'nor did the second');
  const error = await failure(log.none({ arp: {} }, brief));
  t.equal(error.code, 'ERR_TAPFD_FRAME_UNEXPECTED');
  t.equal(
    error.message,
    `none: 1 frame on ${b.name} found no room (maxBytes: 150), so nobody knows\n` +
      'must not come: { arp: {} }\nraise maxBytes, or begin the capture later',
  );
  await t.rejects(log.none({ udp: { destinationPort: 3 } }, brief), { message: /as it must not be: IP / });
  await log.none({ arp: {} }, { ...brief, direction: 'out' });
  await t.rejects(log.none({ arp: {} }, { ...brief, direction: 'both' }), { message: /1 frame on/ });
  for (const port of [6, 7, 8]) await arrives(udpFrame(port));
  await t.rejects(log.none({ arp: {} }, brief), { message: /3 frames on/ });
  await t.rejects(log.none({ arp: {} }, { ...brief, direction: 'out' }), { message: /1 frame on/ });
});

t.test('noise that found no room counts where it is asked for', async (t) => {
  const { a, b } = await pairOf(t);
  const log = closedWith(t, captureFrames(b, { maxBytes: 100 }));
  a.write(SOLICITATION);
  await log.expect({ icmpv6: {} });
  a.write(SOLICITATION);
  a.write(udpFrame(1));
  await log.expect({ udp: {} });
  t.equal(log.frames.length, 1);
  await log.none({ arp: {} }, { for: 0 });
  await t.rejects(log.none({ arp: {} }, { for: 0, noise: true }), { message: /1 frame on/ });
  await t.rejects(log.none({ icmpv6: { type: 'echo-request' } }, { for: 0 }), { message: /1 frame on/ });
});

t.test('packets of a TUN, and frames with headers in front', async (t) => {
  const tun = closedWith(t, await createFramePair({ kind: 'tun', packetInfo: true }));
  const packet = encodePacket({
    ipv4: { source: '10.0.0.1', destination: '10.0.0.2' },
    icmp: { type: 'echo-request' },
  });
  const frame = Buffer.concat([Buffer.from('00000800', 'hex'), packet]);
  tun.a.write(frame);
  t.same(await expectFrame(tun.b, { icmp: { type: 'echo-request' } }), frame);
  tun.a.write(frame);
  const other = encodePacket({
    ipv4: { source: '10.0.0.1', destination: '10.0.0.3' },
    icmp: { type: 'echo-request' },
  });
  const wrong = Buffer.concat([frame.subarray(0, 4), other]);
  const { message } = await failure(expectFrame(tun.b, wrong, { timeoutMs: 1000 }));
  t.match(message, /^expected: 32 bytes: IP 10\.0\.0\.1 > 10\.0\.0\.3: ICMP echo request/m);
  t.match(message, /^> ipv4\.destination +10\.0\.0\.3 +10\.0\.0\.2/m);
});

t.test('bad arguments', async (t) => {
  const invalid = { code: 'ERR_TAPFD_INVALID_ARGUMENT' };
  const { b } = await pairOf(t);
  await t.rejects(Reflect.apply(expectFrame, undefined, [{}, {}]), { ...invalid, argument: 'stream' });
  for (const match of [undefined, 5, 'arp', null, { ip: {} }, { udp: { port: 1 } }]) {
    await t.rejects(Reflect.apply(expectFrame, undefined, [b, match]), invalid, String(match));
  }
  for (const options of [{ timeout: 1 }, { timeoutMs: -1 }, { noise: 1 }, { signal: 1 }, 5]) {
    await t.rejects(
      Reflect.apply(expectFrame, undefined, [b, {}, options]),
      invalid,
      JSON.stringify(options),
    );
  }
  t.throws(() => Reflect.apply(captureFrames, undefined, [{}]), invalid);
  t.throws(() => Reflect.apply(captureFrames, undefined, [b, { snap: 1 }]), invalid);
  t.throws(() => captureFrames(b, { maxBytes: 0 }), invalid);
  const log = closedWith(t, captureFrames(b));
  await t.rejects(Reflect.apply(log.expect, log, [{}, { for: 1 }]), invalid);
  await t.rejects(Reflect.apply(log.none, log, [{}, { within: 1 }]), invalid);
  await t.rejects(Reflect.apply(log.none, log, [{}, { direction: 'up' }]), invalid);
  await t.rejects(log.save(''), invalid);
});
