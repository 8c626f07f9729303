/**
 * src/cli/relay/: `tapfd relay`: frames between a device and a byte stream. On top of device.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { FrameStream } from '../../index.js';
import { openDevice } from '../device/open.js';
import { type DeviceText, parseDevice } from '../device/spec.js';
import { untilEnded } from '../terminal/ending.js';
import { EXIT } from '../terminal/exit-codes.js';
import { CommandError, describeFailure, UsageError } from '../terminal/failure.js';
import { printable } from '../terminal/text.js';
import { type Address, formatAddress, parseAddress } from './address.js';
import { greet } from './greeting.js';
import { Joint } from './joint.js';
import { FRAMINGS, type RelayOptions } from './options.js';
import { connectingTo, listeningOn, type Peers } from './peers.js';

export async function relay(texts: readonly DeviceText[], options: RelayOptions): Promise<number> {
  const [text, ...others] = texts;
  if (text === undefined || others.length > 0)
    throw new UsageError('give one device: --tap, --tun or --macvtap');
  const spec = parseDevice(text, 'read-here');
  const address = addressOf(options);
  const say: Say = options.quiet ? () => {} : (line) => process.stderr.write(`tapfd relay: ${line}\n`);
  const { signal, forget } = untilEnded();
  try {
    const device = await openDevice(spec, { signal, onLost: () => {} });
    try {
      return await run(device, address, { options, say, signal });
    } finally {
      await device.close();
    }
  } catch (error) {
    if (signal.aborted) return EXIT.ok;
    throw error;
    /* c8 ignore next -- V8 counts a path past try and catch that does not exist */
  } finally {
    forget();
  }
}

type Say = (line: string) => void;

interface Relaying {
  options: RelayOptions;
  say: Say;
  signal: AbortSignal;
}

function addressOf({ connect, listen, framing }: RelayOptions): Address {
  if (connect !== undefined) return parseAddress('--connect', connect);
  if (listen === undefined) throw new UsageError('give --connect or --listen');
  if (FRAMINGS[framing].greets)
    throw new UsageError('--framing vpnkit greets first: it goes with --connect only');
  return parseAddress('--listen', listen);
}

async function run(device: FrameStream, address: Address, relaying: Relaying): Promise<number> {
  const { options, say, signal } = relaying;
  const joint = new Joint(device, FRAMINGS[options.framing].length);
  const peers =
    options.connect === undefined
      ? await listeningOn(address, () => say('refused another peer: one is connected'))
      : connectingTo(address);
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const name = `${printable(device.name)}${device.mac === undefined ? '' : ` (${device.mac})`}`;
  say(`${name} ${options.connect === undefined ? 'waits on' : 'connects to'} ${formatAddress(address)}`);
  try {
    // The first to end: the device, or the peers.
    return await Promise.race([
      joint.readDevice(),
      servePeers(joint, peers, { ...relaying, signal: either }),
    ]);
  } finally {
    over.abort();
    await peers.close();
    const { toPeer, fromPeer, dropped, refused } = joint.counters;
    say(`${toPeer} frames to the peer, ${fromPeer} from it, ${dropped} dropped, ${refused} refused`);
  }
}

async function servePeers(joint: Joint, peers: Peers, { options, say, signal }: Relaying): Promise<number> {
  let lastProblem: string | undefined;
  for (;;) {
    try {
      await servePeer(joint, await peers.next(signal), { options, say, signal });
      lastProblem = undefined;
      say('the peer has closed the connection');
      if (options.reconnect === undefined) return EXIT.ok;
    } catch (error) {
      signal.throwIfAborted();
      if (options.reconnect === undefined) {
        throw error instanceof CommandError
          ? error
          : new CommandError(`the peer is lost: ${describeFailure(error)}`, EXIT.peer);
      }
      // The same again and again would only fill the log.
      const problem = describeFailure(error);
      if (problem !== lastProblem) say(problem);
      lastProblem = problem;
    }
    // One that is listened for tries again itself, and comes back as soon as it likes.
    if (options.connect !== undefined) await delay(options.reconnect * 1000, undefined, { signal });
  }
}

async function servePeer(joint: Joint, peer: Socket, { options, say, signal }: Relaying): Promise<void> {
  const end = (): unknown => peer.destroy();
  signal.addEventListener('abort', end);
  // Whatever reads it reports it.
  peer.on('error', () => {});
  try {
    if (FRAMINGS[options.framing].greets) {
      const { mac, mtu } = await greet(peer, randomUUID());
      say(`connected; the card that the peer expects has the MAC ${mac}, MTU ${mtu}`);
    } else {
      say('connected');
    }
    await joint.serve(peer);
  } finally {
    signal.removeEventListener('abort', end);
    peer.destroy();
  }
}
