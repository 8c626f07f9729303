/**
 * Two networks that only JavaScript joins, frame by frame: TCP and UDP of real programs across it, with and without
 * `segment`.
 */
import { spawn } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { Transform } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import t, { type Test } from 'tap';
import {
  type FrameBatch,
  type FrameStream,
  forward,
  links,
  type Offload,
  openMacvtap,
  openTap,
  openTun,
} from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { depth } from '../../kit/depth.js';
import { ownNamespace, type TestNamespace, vethPair } from '../../kit/namespace.js';
import { buildDriver } from '../../kit/native-program.js';
import { NODE } from '../../kit/paths.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap', 'veth', 'ip', 'curl', 'iperf3');

// Seconds on an idle machine.
t.setTimeout(900_000);

const MTU = 1500;
const ETHERNET_HEADER = 14;
/** In frames, more than any window: nothing that TCP sends again was lost for lack of room in a device. */
const LONG_QUEUE = '10000';
const SUPER_FRAMES: Offload[] = ['csum', 'tso4', 'tso6', 'uso4', 'uso6'];

type Kind = 'tap' | 'tun' | 'macvtap';
type Way = 'forward' | 'pipe';

interface DeviceOptions {
  segment?: boolean;
  vnetHeader?: boolean;
  offload?: Offload[];
}

interface Case extends DeviceOptions {
  kind: Kind;
  way: Way;
  /** Of the file. */
  megabytes: number;
}

/** A slab is used up and begun again many times per MiB. */
const LONG = depth({ brief: 50, bounded: 200, deep: 1000 });

// Each kind and way with and without `segment`; a long file once with and once without.
const CASES: Case[] = [
  { kind: 'tap', way: 'forward', segment: true, megabytes: LONG },
  { kind: 'tap', way: 'forward', megabytes: 10 },
  { kind: 'tap', way: 'pipe', segment: true, megabytes: 10 },
  { kind: 'tap', way: 'pipe', megabytes: 10 },
  { kind: 'tun', way: 'forward', segment: true, megabytes: 10 },
  { kind: 'tun', way: 'forward', megabytes: 10 },
  { kind: 'tun', way: 'pipe', segment: true, megabytes: 10 },
  { kind: 'tun', way: 'pipe', megabytes: LONG },
  { kind: 'macvtap', way: 'forward', segment: true, megabytes: 10 },
  { kind: 'macvtap', way: 'pipe', megabytes: 10 },
  { kind: 'tun', way: 'forward', segment: true, offload: ['csum'], megabytes: 10 },
  { kind: 'tun', way: 'forward', vnetHeader: true, offload: SUPER_FRAMES, megabytes: 10 },
];

const LEFT = { address: '10.5.0.1/24', address6: 'fd05::1' };
const RIGHT = { address: '10.5.0.2/24', address6: 'fd05::2' };
const SERVER = '10.5.0.2';
const SERVER6 = 'fd05::2';

/** Frames seen on the way, both ways together. */
class Seen {
  frames = 0;
  longest = 0;

  look(frame: Buffer): void {
    this.frames += 1;
    this.longest = Math.max(this.longest, frame.length);
  }
}

/** A device, and the namespace that it is in. */
interface End {
  device: FrameStream;
  netns: string;
}

interface Path {
  left: TestNamespace;
  right: TestNamespace;
  ends: End[];
  seen: Seen;
}

async function openEnd(
  t: Test,
  kind: Kind,
  ns: TestNamespace,
  host: typeof LEFT,
  options: DeviceOptions,
): Promise<End> {
  const addresses = [host.address, { address: host.address6, prefixLength: 64, noDad: true }];
  if (kind !== 'macvtap') {
    const open = kind === 'tap' ? openTap : openTun;
    const device = await open({ netns: ns.name, addresses, ...options });
    await ns.ip('link', 'set', device.name, 'txqueuelen', LONG_QUEUE);
    return { device, netns: ns.name };
  }
  // The network ends at a wire, whose other end gives all that comes to the macvtap on it.
  const middle = await ownNamespace(t);
  await vethPair(ns, 'eth', middle, 'wire');
  await ns.ip('address', 'add', host.address, 'dev', 'eth');
  await ns.ip('address', 'add', `${host.address6}/64`, 'dev', 'eth', 'nodad');
  // Neighbour discovery of IPv6 is multicast.
  const wire = { netns: middle.name, lower: 'wire', mode: 'passthru', allMulticast: true } as const;
  const device = await openMacvtap({ ...wire, macCheck: 'off', ...options });
  await middle.ip('link', 'set', device.name, 'txqueuelen', LONG_QUEUE);
  return { device, netns: middle.name };
}

/** Two namespaces that JavaScript joins, looking at every frame. */
async function joined(t: Test, { kind, way, megabytes: _, ...options }: Case): Promise<Path> {
  const left = await ownNamespace(t);
  const right = await ownNamespace(t);
  const ends = [await openEnd(t, kind, left, LEFT, options), await openEnd(t, kind, right, RIGHT, options)];
  const [a, b] = ends.map(({ device }) => device) as [FrameStream, FrameStream];
  const seen = new Seen();
  const controller = new AbortController();
  const running = [
    [a, b],
    [b, a],
  ].map(([from, to]) => (way === 'forward' ? byBatches(from, to) : byStreams(from, to)));
  function byBatches(from: FrameStream, to: FrameStream) {
    const transform = (batch: FrameBatch) => {
      for (const frame of batch) seen.look(frame);
    };
    return forward(from, to, { signal: controller.signal, transform });
  }
  async function byStreams(from: FrameStream, to: FrameStream) {
    const looking = new Transform({
      objectMode: true,
      transform(frame: Buffer, _encoding, done) {
        seen.look(frame);
        done(null, frame);
      },
    });
    await pipeline(from, looking, to, { signal: controller.signal }).catch((error: Error) => {
      if (!controller.signal.aborted) throw error;
    });
  }
  t.teardown(async () => {
    controller.abort();
    await Promise.all(running);
    for (const device of [a, b]) await device[Symbol.asyncDispose]();
  });
  return { left, right, ends, seen };
}

/** Starts a program in `right` and, once it has printed something, another in `left`; returns what both print. */
async function exchange(
  t: Test,
  { left, right }: Path,
  server: readonly string[],
  client: readonly string[],
): Promise<{ served: Promise<string>; answered: string }> {
  const child = spawn('ip', ['netns', 'exec', right.name, ...server], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const served = text(child.stdout);
  await once(child.stdout, 'data');
  const [command = '', ...args] = client;
  const answered = await left.exec(command, ...args);
  return { served, answered };
}

const HTTP_SERVER = `
  const { createServer } = require('node:http');
  const { createCipheriv } = require('node:crypto');
  const { pipeline, Readable } = require('node:stream');
  const [, address, megabytes] = process.argv;
  const zeros = function* () { for (let i = 0; i < Number(megabytes); i++) yield Buffer.alloc(1 << 20); };
  const server = createServer((request, response) => {
    response.setHeader('connection', 'close');
    const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
    pipeline(Readable.from(zeros()), noise, response, () => server.close());
  });
  server.listen(8080, address, () => console.log('listening'));`;

/** The SHA-256 of what the server sends: the same noise. */
function noiseDigest(megabytes: number): string {
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  const hash = createHash('sha256');
  const zeros = Buffer.alloc(1 << 20);
  for (let i = 0; i < megabytes; i += 1) hash.update(noise.update(zeros));
  return hash.digest('hex');
}

async function curlGetsTheFile(t: Test, path: Path, megabytes: number): Promise<void> {
  const server = [NODE, '-e', HTTP_SERVER, SERVER, String(megabytes)];
  const curl = `curl --silent --show-error --noproxy '*' http://${SERVER}:8080/ | sha256sum`;
  const { answered } = await exchange(t, path, server, ['bash', '-c', curl]);
  t.equal(answered.split(' ')[0], noiseDigest(megabytes), `a file of ${megabytes} MiB`);
}

async function iperfRuns(t: Test, path: Path): Promise<void> {
  const server = ['iperf3', '--server', '--one-off', '--forceflush', '--bind', SERVER6];
  const client = ['iperf3', '--client', SERVER6, '--bytes', '20M', '--json'];
  const { answered } = await exchange(t, path, server, client);
  const { error, end } = JSON.parse(answered);
  if (error !== undefined) throw new Error(`iperf3: ${error}`);
  const { sum_sent: sent, sum_received: received } = end;
  // What is on its way when the sender finishes is not in the receiver's figure.
  t.ok(sent.bytes >= 20 * 2 ** 20 && received.bytes > sent.bytes / 2, `iperf3: ${received.bytes} bytes`);
  // A forwarder that reorders or loses frames has thousands.
  const segments = sent.bytes / MTU;
  t.ok(sent.retransmits < segments / 20, `iperf3: ${sent.retransmits} retransmits of ${segments.toFixed()}`);
}

async function datagramsArrive(t: Test, path: Path): Promise<void> {
  const bursts = await buildDriver('frames/udp_bursts', { parts: [] });
  for (const address of [SERVER, SERVER6]) {
    const { served } = await exchange(t, path, [bursts, 'receive', address], [bursts, 'send', address]);
    t.match(await served, /2000 datagrams/, `UDP in bursts to ${address}`);
  }
}

/** Frames written by the library, and how many the kernel was given for them: a joined one counts once. */
async function written({ ends }: Path): Promise<{ frames: number; given: number }> {
  const sum = { frames: 0, given: 0 };
  for (const { device, netns } of ends) {
    const { stats } = await links.get(device.index, { netns });
    sum.frames += device.stats.sent.frames;
    // What comes out of a macvtap descriptor leaves its link; of the others, it arrives.
    sum.given += device.kind === 'macvtap' ? stats.txPackets : stats.rxPackets;
  }
  return sum;
}

/** Runs `work`, in which frames of one flow follow one another, and most of them must have been joined. */
async function mostAreJoined(t: Test, path: Path, what: string, work: () => Promise<void>): Promise<void> {
  const before = await written(path);
  await work();
  const after = await written(path);
  const [frames, given] = [after.frames - before.frames, after.given - before.given];
  t.ok(given < frames / 2, `${what}: ${frames} frames in ${given} writes`);
}

for (const one of CASES) {
  const { kind, way, megabytes, ...options } = one;
  t.test(`${kind}, ${way}, ${JSON.stringify(options)}`, async (t) => {
    const path = await joined(t, one);
    const joins = options.segment === true && way === 'forward';
    const file = () => curlGetsTheFile(t, path, megabytes);
    await (joins ? mostAreJoined(t, path, 'TCP', file) : file());
    await iperfRuns(t, path);
    const datagrams = () => datagramsArrive(t, path);
    // UDP is joined where the kernel accepts that offload.
    const udp = path.ends.every(({ device }) => device.features.offload.includes('uso4'));
    await (joins && udp ? mostAreJoined(t, path, 'UDP', datagrams) : datagrams());

    const { frames, longest } = path.seen;
    const longestAllowed = MTU + (kind === 'tun' ? 0 : ETHERNET_HEADER);
    if (options.vnetHeader) t.ok(longest > 10 * MTU, `super-frames came whole: ${longest}`);
    else t.equal(longest, longestAllowed, 'JavaScript saw full frames, and none longer');
    if (!options.vnetHeader) t.ok(frames > (megabytes * 2 ** 20) / MTU, `${frames} frames`);
    for (const { device } of path.ends) {
      t.equal(device.features.joins, options.segment === true, 'the kernel has refused none');
      t.notOk(device.stats.received.drops.malformed);
      t.strictSame(device.stats.sent.drops, {});
    }
  });
}
