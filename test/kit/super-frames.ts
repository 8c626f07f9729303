/** Super-frames, and a TAP that cuts them. */
import { on } from 'node:events';
import type { Test } from 'tap';
import { encodeVnetHeader, type FrameStream, type Tap, type TapOptions } from 'tapfd';
import type { TestNamespace } from './namespace.js';
import { tapPair } from './tap-pair.js';

/** A TCP super-frame over IPv4 behind its vnet header, as a guest or a program on another TAP may write it. */
export function superFrame(payload: Buffer, segmentBytes: number, totalLength = 40 + payload.length): Buffer {
  const vnet = encodeVnetHeader({
    needsChecksum: true,
    segmentation: 'tcp4',
    headerBytes: 54,
    segmentBytes,
    checksumStart: 34,
    checksumOffset: 16,
  });
  const headers = Buffer.from(
    '02000000000202000000000108004500000000014000400600000a0900010a090002' +
      '03e807d000000001000000075010020000000000',
    'hex',
  );
  headers.writeUInt16BE(totalLength, 16);
  return Buffer.concat([vnet, headers, payload]);
}

/** A TAP that splits, and another on the same bridge to which we write super-frames. */
export async function bridged(t: Test): Promise<{ ns: TestNamespace; writer: Tap; reader: Tap }> {
  const takesSuperFrames = { vnetHeader: true, offload: ['csum', 'tso4', 'tso6'] } satisfies TapOptions;
  const { ns, a, b } = await tapPair(t, takesSuperFrames, { segment: true });
  return { ns, writer: a, reader: b };
}

/** The TCP payloads that arrive, for both ways of reading. */
export const READERS: Record<string, (device: FrameStream, count: number) => Promise<Buffer[]>> = {
  async duplex(device, count) {
    const got: Buffer[] = [];
    for await (const [frame] of on(device, 'data') as AsyncIterable<[Buffer]>) {
      if (got.push(frame.subarray(54)) === count) break;
    }
    return got;
  },
  async batches(device, count) {
    const got: Buffer[] = [];
    for await (const batch of device.batches()) {
      for (const frame of batch) got.push(Buffer.from(frame.subarray(54)));
      if (got.length >= count) break;
    }
    return got;
  },
};
