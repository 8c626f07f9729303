/** tshark and capinfos, which share no code with us, read back every field; frames are live in `tshark -i -`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { openTap } from 'tapfd';
import { capture, PcapngWriter } from 'tapfd/capture';
import { needs } from '../../kit/capabilities.js';
import { Collected, capinfos, ownDirectory, readBack, tsharkFields } from '../../kit/captures.js';
import { closedWith } from '../../kit/closed-with.js';
import { isTcpFrame, tcpFrame } from '../../kit/frames.js';
import { quietNamespace, run } from '../../kit/namespace.js';
import { isNumbered, numberedFrame, tapPair, upTo, written } from '../../kit/tap-pair.js';

const DEVICES = { skip: needs('root', 'tun-device', 'netns', 'bridge', 'ip', 'tshark') };

t.test('the writer', { skip: needs('tshark') }, async (t) => {
  const path = join(await ownDirectory(t), 'all.pcapng');
  const writer = await PcapngWriter.toFile(path, {
    application: 'the test',
    os: 'Ostrich',
    hardware: 'größer',
    comment: 'über alles',
  });
  writer.addInterface({
    name: 'wire0',
    description: 'a wire',
    linkType: 'ethernet',
    snapLength: 100,
    mac: '02:00:00:00:00:01',
    speed: 1_000_000,
    filter: 'ether proto 0x88b5',
    os: 'Linux',
    hardware: 'copper',
    comment: 'of copper',
  });
  writer.addInterface({ name: 'tun0', linkType: 'raw' });
  const timestamp = 1_796_043_168_892_347_522n;
  writer.writeFrame({
    interface: 0,
    timestamp,
    bytes: numberedFrame(1),
    originalLength: 1514,
    direction: 'in',
    comment: ['first', 'zweite ä'],
    dropCount: 7,
    queue: 3,
    packetId: 99n,
  });
  const packet = Buffer.from('4500001c000000004001f96d0a0000010a0000020800f7ff00000000', 'hex');
  writer.writeFrame({ interface: 1, timestamp: timestamp + 1n, bytes: packet, direction: 'out' });
  writer.writeFrame({ interface: 1, timestamp: timestamp + 2n, bytes: packet });
  writer.writeStatistics({
    interface: 0,
    timestamp: timestamp + 5n,
    startTime: timestamp,
    endTime: timestamp + 4n,
    received: 11,
    dropped: 22,
    accepted: 33,
    osDropped: 44,
    delivered: 55,
    comment: 'kernel 22',
  });
  await writer.close();
  const rows = await tsharkFields(
    path,
    'frame.time_epoch',
    'frame.interface_name',
    'frame.interface_id',
    'frame.interface_description',
    'frame.packet_flags_direction',
    'frame.len',
    'frame.cap_len',
    'frame.drop_count',
    'frame.interface_queue',
    'frame.packet_id',
    'frame.comment',
    'frame.protocols',
  );
  t.match(rows, [
    [
      '1796043168.892347522',
      'wire0',
      '0',
      'a wire',
      '0x00000001',
      '1514',
      '60',
      '7',
      '3',
      '99',
      /first.*zweite ä/,
      /^eth/,
    ],
    ['1796043168.892347523', 'tun0', '1', '', '0x00000002', '28', '28', '', '', '', '', /^raw:ip:icmp/],
    ['1796043168.892347524', 'tun0', '1', '', '', '28', '28'],
  ]);
  const facts = await capinfos(path);
  for (const fact of [
    /Capture hardware: +größer/,
    /Capture oper-sys: +Ostrich/,
    /Capture application: +the test/,
    /Capture comment: +über alles/,
    /File timestamp precision: +nanoseconds/,
    /Name = wire0\s+Description = a wire\s+Encapsulation = Ethernet/,
    /Hardware = copper/,
    /Speed = 1000000/,
    /Capture length = 100/,
    /Filter string = ether proto 0x88b5/,
    /Operating system = Linux/,
    /Comment = of copper/,
    /Time resolution = 0x09/,
    /Number of stat entries = 1/,
    /Name = tun0\s+Encapsulation = Raw IP/,
  ]) {
    t.match(facts, fact);
  }
  // What tshark shows of statistics is a text of its own.
  const statistics = await run('tshark', '-n', '-r', path, '-q', '-z', 'io,stat,0');
  t.match(statistics, /Interval/);
  const report = await run('/usr/bin/env', 'tshark', '-r', path, '-Xread_format:MIME Files Format', '-V');
  for (const [name, count] of Object.entries({ 11: 11, 22: 22, 33: 33, 44: 44, 55: 55 })) {
    t.match(report, new RegExp(`: ${count}\\b`), name);
  }
});

t.test('what tshark writes, we read', { skip: needs('tshark') }, async (t) => {
  const directory = await ownDirectory(t);
  const [path, again] = [join(directory, 'a.pcapng'), join(directory, 'b')];
  const writer = await PcapngWriter.toFile(path);
  writer.addInterface({ name: 'wire0', linkType: 'ethernet' });
  const timestamp = 1_796_043_168_892_347_522n;
  for (const number of upTo(5)) {
    writer.writeFrame({
      interface: 0,
      timestamp,
      bytes: numberedFrame(number, 60 + number),
      direction: 'in',
    });
  }
  await writer.close();
  for (const format of ['pcapng', 'nsecpcap', 'pcap']) {
    await run('editcap', '-F', format, path, again);
    const { frames } = await readBack(again);
    t.same(
      frames.map(({ bytes }) => bytes),
      upTo(5).map((number) => numberedFrame(number, 60 + number)),
      format,
    );
    const expected = format === 'pcap' ? (timestamp / 1000n) * 1000n : timestamp;
    t.ok(frames.every((frame) => frame.timestamp === expected));
  }
});

t.test('a device: names, directions, the drops of the kernel', DEVICES, async (t) => {
  const { a, b } = await tapPair(t);
  const path = join(await ownDirectory(t), 'tap.pcapng');
  const started = BigInt(Date.now()) * 1_000_000n;
  const running = await capture([a, b], path, { comment: 'two ends' });
  // Nobody reads: 1000 fit the queue.
  await a.writeBatch(upTo(1500).map((number) => numberedFrame(number)));
  let got = 0;
  for await (const batch of b.batches()) {
    got += [...batch].filter(isNumbered).length;
    if (got >= 1000) break;
  }
  const stats = await running.close();
  const { section, frames } = await readBack(path);
  const [ofA, ofB] = section.interfaces.map(({ statistics }) => statistics);
  t.match(ofA, {
    received: 1500n,
    dropped: 0n,
    accepted: 1500n,
    osDropped: 0n,
    delivered: 1500n,
    comments: [],
  });
  const kernel = b.stats.received.drops.kernel ?? 0;
  t.ok(kernel >= 500, `${kernel}`);
  t.equal(ofB?.dropped, BigInt(kernel));
  t.equal(ofB?.received, BigInt(kernel + got));
  t.same(ofB?.comments, [`lost before they were read: kernel ${kernel}`]);
  t.ok(ofB?.startTime !== undefined && ofB.startTime >= started && ofB.startTime <= (ofB.endTime ?? 0n));
  const rows = await tsharkFields(path, 'frame.interface_name', 'frame.packet_flags_direction');
  t.equal(rows.length, stats.written);
  t.equal(rows.length, frames.length);
  const count = (name: string, flags: string) =>
    rows.filter(([one, other]) => one === name && other === flags).length;
  t.equal(count(a.name, '0x00000002'), 1500);
  t.equal(count(b.name, '0x00000001'), got);
  const times = frames.map(({ timestamp = 0n }) => timestamp);
  t.ok(
    times.every((time, i) => i === 0 || time >= (times[i - 1] ?? 0n)),
    'in order',
  );
  t.ok(times.every((time) => time >= started && time <= BigInt(Date.now() + 1) * 1_000_000n));
});

t.test('super-frames and checksums that are not filled in are said', DEVICES, async (t) => {
  const offload = { vnetHeader: true, offload: ['csum', 'tso4', 'tso6'] } as const;
  const { a, b } = await tapPair(t, { ...offload, offload: [...offload.offload] });
  const path = join(await ownDirectory(t), 'super.pcapng');
  const running = await capture([a, b], path);
  const to = { to: 'ff:ff:ff:ff:ff:ff', from: '02:00:00:00:00:07' };
  const large = tcpFrame({ ...to, payloadBytes: 5000, segmentBytes: 1448 });
  const small = tcpFrame({ ...to, payloadBytes: 100, segmentBytes: 0 });
  const plain = Buffer.concat([Buffer.alloc(10), numberedFrame(1)]);
  let left = 2;
  b.on('data', (frame) => {
    if (isTcpFrame(frame)) left -= 1;
    if (left === 0) b.emit('enough');
  });
  const enough = once(b, 'enough');
  for (const frame of [large, small, plain]) await written(a, frame);
  await enough;
  await running.close();
  const { frames } = await readBack(path);
  const sent = frames.filter(({ direction }) => direction === 'out');
  t.same(
    sent.map(({ bytes }) => bytes),
    [large, small, plain].map((frame) => frame.subarray(10)),
    'without the vnet header',
  );
  t.match(sent, [
    { comments: ['vnet: gso tcp4 size 1448 headers 54, csum start 34 offset 16 not filled in'] },
    { comments: ['vnet: csum start 34 offset 16 not filled in'] },
    { comments: [] },
  ]);
  const received = frames.filter(
    ({ direction, originalLength }) => direction === 'in' && originalLength > 5000,
  );
  t.match(received, [{ comments: [/^vnet: gso tcp4 size 1448/] }]);
  const rows = await tsharkFields(path, 'frame.comment', 'tcp.len');
  t.ok(rows.some(([comment, length]) => /gso tcp4 size 1448/.test(comment ?? '') && length === '5000'));
});

t.test('with segment, the frames are those that the program sees', DEVICES, async (t) => {
  const { a, b } = await tapPair(t, { segment: true }, { segment: true });
  const file = new Collected();
  const running = await capture([a, b], file);
  const frames = upTo(20).map((number) => {
    const whole = tcpFrame({
      to: 'ff:ff:ff:ff:ff:ff',
      from: '02:00:00:00:00:07',
      payloadBytes: 1000,
      segmentBytes: 0,
    });
    const frame = whole.subarray(10);
    frame.writeUInt32BE(1 + number * 1000, 38);
    frame.writeUInt16BE(0, 50);
    return withChecksum(frame);
  });
  const reading = b.batches();
  // Neighbours of one flow are joined, among them frames that are not.
  const mixed = frames.flatMap((frame, i) => [frame, numberedFrame(i)]);
  t.equal(await a.writeBatch([...mixed]), 40);
  let got = 0;
  while (got < 40) got += [...((await reading.next()).value ?? [])].filter(isOurs).length;
  await reading.return?.();
  await running.close();
  const read = await readBack(file.bytes);
  const out = read.frames.filter(({ direction }) => direction === 'out').map(({ bytes }) => bytes);
  t.same(out, mixed, 'each once, in the order of the batch');
  const seen = read.frames.filter(({ direction, bytes }) => direction === 'in' && isOurs(bytes));
  t.equal(seen.length, 40);
  t.ok(seen.every(({ comments }) => comments.length === 0));

  function isOurs(frame: Buffer): boolean {
    return isNumbered(frame) || (frame.length > 60 && frame.readUInt16BE(12) === 0x0800);
  }
});

/** A TCP frame over IPv4 with its checksum filled in. */
function withChecksum(frame: Buffer): Buffer {
  const tcp = frame.subarray(34);
  const pseudo = Buffer.concat([frame.subarray(26, 34), Buffer.from([0, 6, 0, 0])]);
  pseudo.writeUInt16BE(tcp.length, 10);
  const whole = Buffer.concat([pseudo, tcp]);
  let sum = 0;
  for (let at = 0; at < whole.length; at += 2) sum += whole.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  tcp.writeUInt16BE(~sum & 0xffff, 16);
  return frame;
}

t.test('live: tshark shows a frame before the next one is sent', DEVICES, async (t) => {
  const ns = await quietNamespace(t);
  const tap = closedWith(t, await openTap({ netns: ns.name }));
  const shark = spawn('tshark', ['-n', '-l', '-i', '-', '-T', 'fields', '-e', 'eth.src', '-e', 'frame.len'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  t.teardown(() => shark.kill('SIGKILL'));
  const running = await capture(tap, shark.stdin);
  const lines = createInterface({ input: shark.stdout })[Symbol.asyncIterator]();
  for (const number of upTo(3)) {
    await written(tap, numberedFrame(number, 60 + number));
    t.match((await lines.next()).value, new RegExp(`^02:00:00:00:00:99\\s+${60 + number}$`));
  }
  const exited = once(shark, 'exit');
  await running.close();
  t.same(await exited, [0, null], 'the end of the capture is the end of its input');
});

t.test('tshark that goes away ends the capture, not the device', DEVICES, async (t) => {
  const ns = await quietNamespace(t);
  const tap = closedWith(t, await openTap({ netns: ns.name }));
  const shark = spawn('tshark', ['-n', '-l', '-i', '-'], { stdio: ['pipe', 'ignore', 'ignore'] });
  const running = await capture(tap, shark.stdin);
  const exited = once(shark, 'exit');
  shark.kill('SIGKILL');
  await exited;
  const ended = t.rejects(running.finished, /EPIPE|closed|ECONNRESET/);
  for (let i = 0; i < 10; i++) {
    await written(tap, numberedFrame(i));
    await new Promise(setImmediate);
  }
  await ended;
  t.equal(await written(tap, numberedFrame(99)), null);
});
