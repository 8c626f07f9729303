/** Frames that were seen, on their way into a pcapng file. */
import { PcapngWriter } from '../../capture/index.js';
import type { FrameDirection } from '../../descriptor/observers.js';
import type { FrameStream } from '../../frames/stream.js';

interface TimedFrame {
  readonly frame: Buffer;
  readonly direction: FrameDirection;
  readonly timestamp: bigint;
}

const NANOSECONDS_A_MS = 1_000_000n;

/** The frames of one device, with what the file must say of it: the device may be closed when it is written. */
export class Traffic {
  readonly name: string;
  readonly linkType: 'ethernet' | 'raw';
  /** Packet information and vnet header, which Wireshark knows nothing of. */
  readonly headerBytes: number;
  frames: readonly TimedFrame[] = [];
  readonly #since: bigint;

  constructor({ name, kind, vnetHeaderBytes, flags }: FrameStream) {
    this.name = name;
    this.linkType = kind === 'tun' ? 'raw' : 'ethernet';
    this.headerBytes = vnetHeaderBytes + (flags.packetInfo ? 4 : 0);
    this.#since = BigInt(Date.now()) * NANOSECONDS_A_MS - process.hrtime.bigint();
  }

  /** Nanoseconds since 1970, which never go back. */
  now(): bigint {
    return this.#since + process.hrtime.bigint();
  }
}

/** Writes a file with an interface for each device, frames in the order of time. */
export async function saveTraffic(path: string, all: readonly Traffic[]): Promise<void> {
  const writer = await PcapngWriter.toFile(path, { application: 'tapfd/testing' });
  const entries = all.flatMap((traffic) => {
    const id = writer.addInterface({ name: traffic.name, linkType: traffic.linkType });
    return traffic.frames.map((one) => ({ id, one, skip: traffic.headerBytes }));
  });
  entries.sort((a, b) => Number(a.one.timestamp - b.one.timestamp));
  for (const { id, one, skip } of entries) {
    await writer.ready();
    const { timestamp, direction, frame } = one;
    writer.writeFrame({ interface: id, timestamp, direction, bytes: frame.subarray(skip) });
  }
  await writer.close();
}
