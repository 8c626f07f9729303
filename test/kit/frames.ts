/** Frames that only a test sends, and reading up to one of them. */
import { type FrameStream, parseMac } from 'tapfd';
import { encodeFrame } from 'tapfd/packets';

/** IEEE 802 "local experimental": no protocol of the kernel's sends or answers it. */
const TEST_ETHERTYPE = 0x88b5;
const ETHERTYPE_IPV4 = 0x0800;
const TEST_PORT = 35_001;
const ETHERNET_HEADER_BYTES = 14;
const UDP_FRAME_HEADER_BYTES = 14 + 20 + 8;

export interface TestFrame {
  to: string;
  from: string;
  text: string;
  /** Length without what the device prepends. Default 60. */
  length?: number;
}

export function testFrame({ to, from, text, length = 60 }: TestFrame): Buffer {
  const frame = Buffer.alloc(length);
  parseMac(to).copy(frame, 0);
  parseMac(from).copy(frame, 6);
  frame.writeUInt16BE(TEST_ETHERTYPE, 12);
  frame.write(text, ETHERNET_HEADER_BYTES);
  return frame;
}

/** The same in a UDP packet from this port: what goes to one of several queues is chosen by addresses and ports. */
export function flowFrame({ to, from, text, length = 80 }: TestFrame, port: number): Buffer {
  const payload = Buffer.alloc(length - UDP_FRAME_HEADER_BYTES);
  payload.write(text);
  return encodeFrame({
    ethernet: { source: from, destination: to },
    ipv4: { source: '10.77.0.1', destination: '10.77.0.2', dontFragment: true },
    udp: { sourcePort: port, destinationPort: TEST_PORT, checksum: 0 },
    payload,
  });
}

/** The text of a test frame that follows `skip` bytes; undefined for any other frame. */
export function textOf(frame: Buffer, skip = 0): string | undefined {
  const data = frame.subarray(skip);
  const header = headerBytes(data);
  if (header === undefined) return undefined;
  return data.subarray(header).toString().replace(/\0+$/, '');
}

/** Bytes before the text; undefined when it is no test frame. */
function headerBytes(frame: Buffer): number | undefined {
  if (frame.length < ETHERNET_HEADER_BYTES) return undefined;
  const type = frame.readUInt16BE(12);
  if (type === TEST_ETHERTYPE) return ETHERNET_HEADER_BYTES;
  const isUdp = type === ETHERTYPE_IPV4 && frame.length >= UDP_FRAME_HEADER_BYTES && frame[23] === 17;
  return isUdp && frame.readUInt16BE(36) === TEST_PORT ? UDP_FRAME_HEADER_BYTES : undefined;
}

/** Reads frames up to the first that `isLast`, and leaves the rest unread. */
export function framesUntil(stream: FrameStream, isLast: (frame: Buffer) => boolean): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const frames: Buffer[] = [];
    const stop = () => {
      stream.off('readable', read);
      stream.off('error', reject);
      stream.off('close', closed);
    };
    const closed = () => reject(new Error('closed before the frame came'));
    const read = () => {
      for (let frame = stream.read(); frame !== null; frame = stream.read()) {
        frames.push(frame);
        if (isLast(frame)) {
          stop();
          resolve(frames);
          return;
        }
      }
    };
    stream.on('readable', read);
    stream.on('error', reject);
    stream.on('close', closed);
    read();
  });
}

/** The texts of the test frames up to the one with the text `last`, that one included. */
export async function textsUntil(stream: FrameStream, last: string, skip = 0): Promise<string[]> {
  const frames = await framesUntil(stream, (frame) => textOf(frame, skip) === last);
  return frames.flatMap((frame) => textOf(frame, skip) ?? []);
}

/** Writes one frame; settles when the kernel has taken it or the stream has refused it. */
export function send(stream: FrameStream, frame: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(frame, (error) => (error ? reject(error) : resolve()));
  });
}

/** RFC 1071: the sum of the 16-bit words, without the final complement. */
export function sum16(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

const VIRTIO_NET_HDR_BYTES = 10;
const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
export const TCP_FRAME_HEADER_BYTES = 14 + 20 + 20;

export interface TcpFrame {
  to: string;
  from: string;
  payloadBytes: number;
  /** Payload bytes of each segment that the kernel is to cut it into; 0 if it is one segment. */
  segmentBytes: number;
}

/** A vnet header and a TCP segment over IPv4 whose checksum is left to whoever sends it. */
export function tcpFrame({ to, from, payloadBytes, segmentBytes }: TcpFrame): Buffer {
  const header = Buffer.alloc(VIRTIO_NET_HDR_BYTES);
  header.writeUInt8(VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
  header.writeUInt8(segmentBytes > 0 ? VIRTIO_NET_HDR_GSO_TCPV4 : 0, 1);
  header.writeUInt16LE(TCP_FRAME_HEADER_BYTES, 2);
  header.writeUInt16LE(segmentBytes, 4);
  header.writeUInt16LE(34, 6); // the checksum begins with the TCP header
  header.writeUInt16LE(16, 8); // and stands here in it
  const frame = Buffer.alloc(TCP_FRAME_HEADER_BYTES + payloadBytes);
  parseMac(to).copy(frame, 0);
  parseMac(from).copy(frame, 6);
  frame.writeUInt16BE(0x0800, 12);
  const ip = frame.subarray(14, 34);
  ip.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6]);
  ip.writeUInt16BE(frame.length - 14, 2);
  ip.set([10, 77, 0, 1, 10, 77, 0, 2], 12);
  ip.writeUInt16BE(~sum16(ip) & 0xffff, 10);
  const tcp = frame.subarray(34);
  tcp.set([0x12, 0x34, 0x56, 0x78, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0x20, 0]);
  const pseudo = Buffer.concat([ip.subarray(12), Buffer.from([0, 6, 0, 0])]);
  pseudo.writeUInt16BE(tcp.length, 10);
  tcp.writeUInt16BE(sum16(pseudo), 16);
  return Buffer.concat([header, frame]);
}

/** Whether this frame, behind its vnet header, is one of {@link tcpFrame}'s. */
export function isTcpFrame(frame: Buffer): boolean {
  return (
    frame.length >= VIRTIO_NET_HDR_BYTES + TCP_FRAME_HEADER_BYTES &&
    frame.readUInt16BE(VIRTIO_NET_HDR_BYTES + 12) === 0x0800 &&
    frame.readUInt32BE(VIRTIO_NET_HDR_BYTES + 34) === 0x12345678
  );
}

/** Whether the TCP checksum of a frame after a vnet header is right. */
export function hasTcpChecksum(frame: Buffer): boolean {
  const ip = frame.subarray(VIRTIO_NET_HDR_BYTES + 14, VIRTIO_NET_HDR_BYTES + 34);
  const tcp = frame.subarray(VIRTIO_NET_HDR_BYTES + 34);
  const pseudo = Buffer.concat([ip.subarray(12), Buffer.from([0, 6, 0, 0])]);
  pseudo.writeUInt16BE(tcp.length, 10);
  const whole = Buffer.concat([pseudo, tcp, Buffer.alloc(tcp.length % 2)]);
  return sum16(whole) === 0xffff;
}

/** Writes `frame` `count` times without waiting, and returns how many the kernel had taken when the loop turned. */
export async function takenAtOnce(stream: FrameStream, frame: Buffer, count: number): Promise<number> {
  let taken = 0;
  for (let i = 0; i < count; i += 1) {
    stream.write(frame, (error) => {
      if (!error) taken += 1;
    });
  }
  await new Promise(setImmediate);
  return taken;
}
