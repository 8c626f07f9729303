/** native/segment and native/coalesce against the kernel's own segmentation, byte for byte. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { type Offload, openTap, openTun, type Tap, type Tun } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { ownNamespace, type TestNamespace } from '../../kit/namespace.js';
import { buildDriver } from '../../kit/native-program.js';
import { NODE } from '../../kit/paths.js';
import { tapPair } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device');

// Most of it is compiling.
t.setTimeout(300_000);

const VNET_HEADER = 10;
const ETHERNET_HEADER = 14;
const GSO_TYPE = 1;
const OFFLOAD: Offload[] = ['csum', 'tso4', 'tso6', 'tso-ecn', 'uso4', 'uso6'];

/** Frames as the driver reads and writes them: each after its length. */
function pack(frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(frames.flatMap((frame) => [Buffer.from(Uint32Array.of(frame.length).buffer), frame]));
}

class Packed {
  #at = 0;
  constructor(readonly bytes: Buffer) {}

  get done(): boolean {
    return this.#at === this.bytes.length;
  }
  number(): number {
    const [value = 0] = new Uint32Array(Uint8Array.from(this.bytes.subarray(this.#at, this.#at + 4)).buffer);
    this.#at += 4;
    return value;
  }
  frame(): Buffer {
    const length = this.number();
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }
  frames(): Buffer[] {
    const frames: Buffer[] = [];
    while (!this.done) frames.push(this.frame());
    return frames;
  }
}

async function filter(input: Buffer, ...args: string[]): Promise<Packed> {
  const program = await buildDriver('frames/segment_filter');
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(input);
  const [output, [code]] = await Promise.all([buffer(child.stdout), once(child, 'exit')]);
  if (code !== 0) throw new Error(`segment_filter ${args.join(' ')} ended with ${code}`);
  return new Packed(output);
}

/** Takes vnet headers and frames, and returns the frames that each is cut into. */
async function cut(superFrames: readonly Buffer[], layer: 'ethernet' | 'ip'): Promise<Buffer[][]> {
  const packed = await filter(pack(superFrames), 'cut', layer);
  return superFrames.map(() => Array.from({ length: packed.number() }, () => packed.frame()));
}

async function join(frames: readonly Buffer[], layer: 'ethernet' | 'ip'): Promise<Buffer[]> {
  return (await filter(pack(frames), 'join', layer)).frames();
}

/** What is written to `offloading` must be cut by the kernel before it comes out of `plain`. */
interface Reference {
  /** What the kernel makes of each: it waits for `counts[i]` frames. */
  segment(superFrames: readonly Buffer[], counts: readonly number[]): Promise<Buffer[][]>;
}

/** Two TAPs in a bridge, which changes nothing in a frame; one takes super-frames, the other does not. */
async function kernelReference(t: Test): Promise<Reference> {
  const { a: offloading, b: plain } = await tapPair(t, { vnetHeader: true, offload: OFFLOAD }, {});
  t.equal(plain.features.offload.length, 0);
  let arrived: Buffer[] = [];
  plain.on('data', (frame: Buffer) => {
    arrived.push(frame);
    plain.emit('arrived');
  });
  return {
    async segment(superFrames, counts) {
      const result: Buffer[][] = [];
      // One after the other: more would overflow the queue of the device.
      for (const [i, superFrame] of superFrames.entries()) {
        arrived = [];
        await write(offloading, superFrame);
        while (arrived.length < (counts[i] ?? 0)) await once(plain, 'arrived');
        result.push(arrived);
      }
      return result;
    },
  };
}

function write(device: Tap | Tun, frame: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    device.write(frame, (error) => (error ? reject(error) : resolve()));
  });
}

/** Compares without printing megabytes when they differ. */
function sameFrames(t: Test, found: readonly Buffer[][], wanted: readonly Buffer[][], what: string): void {
  const differing = wanted.flatMap((frames, i) => {
    const at = frames.findIndex((frame, k) => !found[i]?.[k]?.equals(frame));
    return at < 0 && found[i]?.length === frames.length ? [] : [{ superFrame: i, segment: at }];
  });
  const [first] = differing;
  t.same(differing.length, 0, `${what}: every byte of every frame`, {
    first,
    found: first && found[first.superFrame]?.[first.segment]?.toString('hex'),
    wanted: first && wanted[first.superFrame]?.[first.segment]?.toString('hex'),
  });
}

t.test('super-frames of every kind are cut as the kernel cuts them', async (t) => {
  const kernel = await kernelReference(t);
  const superFrames = (await filter(Buffer.alloc(0), 'make', 'any', '1', '400')).frames();
  t.equal(superFrames.length, 400);
  const segments = await cut(superFrames, 'ethernet');
  const counts = segments.map((frames) => frames.length);
  t.ok(Math.max(...counts) > 40 && Math.min(...counts) === 1, 'of one segment and of many');
  sameFrames(t, segments, await kernel.segment(superFrames, counts), 'cut');
});

t.test('frames that were joined come out of the kernel as they were', async (t) => {
  const kernel = await kernelReference(t);
  const superFrames = (await filter(Buffer.alloc(0), 'make', 'plain', '2', '200')).frames();
  const frames = (await cut(superFrames, 'ethernet')).flat();
  const units = await join(frames, 'ethernet');
  t.ok(units.length < frames.length / 2, `${frames.length} frames in ${units.length} writes`);
  t.ok(units.some((unit) => unit[GSO_TYPE] !== 0));
  const counts = (await cut(units, 'ethernet')).map((segments) => segments.length);
  const back = (await kernel.segment(units, counts)).flat();
  // Within a flow the order is kept; here each super-frame was a flow of its own.
  const order = (a: Buffer, b: Buffer) => a.compare(b);
  sameFrames(t, [back.sort(order)], [frames.sort(order)], 'joined, and cut by the kernel');
});

const SERVER = `
  const { createServer } = require('node:net');
  const { createHash } = require('node:crypto');
  const server = createServer((socket) => {
    const hash = createHash('sha256');
    socket.on('data', (data) => hash.update(data));
    socket.on('end', () => { console.log(hash.digest('hex')); socket.end(); server.close(); });
  });
  server.listen(5001, process.argv[1], () => console.log('listening'));`;
const CLIENT = `
  const { connect } = require('node:net');
  const { createHash } = require('node:crypto');
  const data = Buffer.alloc(Number(process.argv[2]));
  for (let i = 0; i < data.length; i++) data[i] = Math.imul(i, 2654435761) >>> 13;
  console.log(createHash('sha256').update(data).digest('hex'));
  const socket = connect(5001, process.argv[1], () => socket.end(data));
  socket.resume();`;

type Device = Tap | Tun;

/** Two namespaces, each with a device that hands up super-frames; nothing forwards between them yet. */
interface Wire {
  layer: 'ethernet' | 'ip';
  from: TestNamespace;
  to: TestNamespace;
  /** Of the device in `to`. */
  address: string;
  a: Device;
  b: Device;
}

async function wire(t: Test, layer: Wire['layer'], version: 4 | 6): Promise<Wire> {
  const from = await ownNamespace(t);
  const to = await ownNamespace(t);
  const open = async (ns: TestNamespace, host: number): Promise<Device> => {
    const address =
      version === 4 ? `10.9.0.${host}/24` : { address: `fd00::${host}`, prefixLength: 64, noDad: true };
    const options = { netns: ns.name, addresses: [address], vnetHeader: true, offload: OFFLOAD };
    const device = layer === 'ethernet' ? await openTap(options) : await openTun(options);
    t.teardown(() => device[Symbol.asyncDispose]());
    return device;
  };
  const [a, b] = [await open(from, 1), await open(to, 2)];
  return { layer, from, to, address: version === 4 ? '10.9.0.2' : 'fd00::2', a, b };
}

/** Runs a server in `to` and, once it listens, a client in `from`. Returns the last line of each. */
async function exchange(
  { from, to }: Wire,
  server: readonly string[],
  client: readonly string[],
): Promise<{ served: string; sent: string }> {
  const [command = '', ...args] = ['ip', 'netns', 'exec', to.name, ...server];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const output = buffer(child.stdout);
  await once(child.stdout, 'data');
  const [program = '', ...rest] = client;
  const sent = await from.exec(program, ...rest);
  return { served: lastLine((await output).toString()), sent: lastLine(sent) };
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** Sends that many bytes over TCP; returns the digests of what was sent and received. */
async function transferTcp(path: Wire, bytes: number): Promise<{ served: string; sent: string }> {
  const node = (script: string, ...args: string[]) => [NODE, '-e', script, path.address, ...args];
  return exchange(path, node(SERVER), node(CLIENT, String(bytes)));
}

/** The IP packets of a TUN as frames of a TAP: an Ethernet header in front, and the vnet header's offset behind it. */
function asEthernet(superFrame: Buffer): Buffer {
  const CHECKSUM_START = 6;
  const vnet = Buffer.from(superFrame.subarray(0, VNET_HEADER));
  const start = new DataView(vnet.buffer, vnet.byteOffset);
  const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
  start.setUint16(CHECKSUM_START, start.getUint16(CHECKSUM_START, little) + ETHERNET_HEADER, little);
  const packet = superFrame.subarray(VNET_HEADER);
  const type = (packet[0] ?? 0) >> 4 === 4 ? '0800' : '86dd';
  return Buffer.concat([vnet, Buffer.from(`020000000001020000000002${type}`, 'hex'), packet]);
}

for (const layer of ['ethernet', 'ip'] as const) {
  for (const version of [4, 6] as const) {
    t.test(`a TCP stream (IPv${version}, ${layer}) is cut as the kernel cuts it`, async (t) => {
      const path = await wire(t, layer, version);
      const captured: Buffer[] = [];
      path.a.on('data', (frame: Buffer) => {
        if (frame[GSO_TYPE] !== 0) captured.push(frame);
        path.b.write(frame);
      });
      path.b.on('data', (frame: Buffer) => path.a.write(frame));
      const { served, sent } = await transferTcp(path, 4_000_000);
      t.equal(served, sent);
      t.ok(captured.length >= 61, `${captured.length} super-frames for 4,000,000 bytes`);
      const superFrames = captured.slice(0, 100);

      const segments = await cut(superFrames, layer);
      const counts = segments.map((frames) => frames.length);
      t.ok(Math.max(...counts) > 20);
      const kernel = await kernelReference(t);
      const taken = layer === 'ethernet' ? superFrames : superFrames.map(asEthernet);
      const made = await kernel.segment(taken, counts);
      const wanted =
        layer === 'ethernet'
          ? made
          : made.map((frames) => frames.map((frame) => frame.subarray(ETHERNET_HEADER)));
      sameFrames(t, segments, wanted, 'cut');

      // And joined again; the last segment has FIN and stays alone.
      const frames = segments.flat();
      const units = await join(frames, layer);
      t.ok(
        units.length <= superFrames.length + 1,
        `${units.length} writes for ${superFrames.length} super-frames`,
      );
      sameFrames(t, [(await cut(units, layer)).flat()], [frames], 'cut, joined, cut');
    });
  }
}

for (const layer of ['ethernet', 'ip'] as const) {
  for (const version of [4, 6] as const) {
    t.test(`TCP and UDP (IPv${version}, ${layer}) across a forwarder that cuts and joins`, async (t) => {
      const path = await wire(t, layer, version);
      const stdio = ['ignore', 'pipe', 'inherit', path.a.fd, path.b.fd] as const;
      const forwarder = spawn(await buildDriver('frames/segment_forward'), [layer], { stdio: [...stdio] });
      t.teardown(() => forwarder.kill('SIGKILL'));
      const { stdout } = forwarder;
      if (stdout === null) throw new Error('no output');
      const output = buffer(stdout);
      await once(stdout, 'data');

      const { served, sent } = await transferTcp(path, 20_000_000);
      t.equal(served, sent);
      const bursts = await buildDriver('frames/udp_bursts', { parts: [] });
      const udp = await exchange(path, [bursts, 'receive', path.address], [bursts, 'send', path.address]);
      t.equal(udp.served, '2000 datagrams');

      forwarder.kill('SIGTERM');
      const counts: Record<string, number> = JSON.parse(lastLine((await output).toString()));
      t.comment(JSON.stringify(counts));
      t.equal(counts.faults, 0);
      t.equal(counts.refused, 0);
      t.ok(Number(counts.superFrames) > 50, 'super-frames were cut');
      t.ok(Number(counts.frames) > 15_000 && Number(counts.joined) > 10_000, 'and joined');
    });
  }
}
