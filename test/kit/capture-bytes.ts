/** Capture files made byte by byte, in either byte order: what other programs write, and what nobody should. */

export type ByteOrder = 'LE' | 'BE';

/** Numbers in a byte order. */
export function numbers(order: ByteOrder) {
  const made = (bytes: number, fill: (view: DataView, little: boolean) => void) => {
    const buffer = Buffer.alloc(bytes);
    fill(new DataView(buffer.buffer, buffer.byteOffset, bytes), order === 'LE');
    return buffer;
  };
  return {
    u16: (value: number) => made(2, (view, little) => view.setUint16(0, value, little)),
    u32: (value: number) => made(4, (view, little) => view.setUint32(0, value, little)),
    u64: (value: bigint) =>
      made(8, (view, little) => view.setBigUint64(0, BigInt.asUintN(64, value), little)),
    /** High half, low half. */
    time: (value: bigint) =>
      made(8, (view, little) => {
        view.setUint32(0, Number(value >> 32n), little);
        view.setUint32(4, Number(value & 0xffff_ffffn), little);
      }),
  };
}

/** To 4 bytes. */
export function pad(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

/** The blocks of a pcapng file. */
export function blocks(order: ByteOrder) {
  const { u16, u32, time } = numbers(order);
  const block = (type: number, ...parts: Uint8Array[]) => {
    const body = Buffer.concat(parts);
    const length = u32(12 + body.length);
    return Buffer.concat([u32(type), length, body, length]);
  };
  const option = (code: number, value: Uint8Array | string) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([u16(code), u16(bytes.length), pad(bytes)]);
  };
  return {
    block,
    option,
    end: option(0, ''),
    section: (...options: Uint8Array[]) =>
      block(0x0a0d0d0a, u32(0x1a2b3c4d), u16(1), u16(0), Buffer.alloc(8, 0xff), ...options),
    interface: (linkType: number, snapLength: number, ...options: Uint8Array[]) =>
      block(1, u16(linkType), u16(0), u32(snapLength), ...options),
    enhanced: (id: number, ticks: bigint, frame: Uint8Array, ...options: Uint8Array[]) =>
      block(6, u32(id), time(ticks), u32(frame.length), u32(frame.length), pad(frame), ...options),
    simple: (originalLength: number, captured: Uint8Array) => block(3, u32(originalLength), pad(captured)),
    obsolete: (id: number, drops: number, ticks: bigint, frame: Uint8Array, ...options: Uint8Array[]) =>
      block(
        2,
        u16(id),
        u16(drops),
        time(ticks),
        u32(frame.length),
        u32(frame.length),
        pad(frame),
        ...options,
      ),
    statistics: (id: number, ticks: bigint, ...options: Uint8Array[]) =>
      block(5, u32(id), time(ticks), ...options),
  };
}

/** A classic pcap file. */
export function pcapFile(
  order: ByteOrder,
  magic: number,
  linkType: number,
  ...frames: [number, number, string][]
): Buffer {
  const { u16, u32 } = numbers(order);
  const header = [u32(magic), u16(2), u16(4), u32(0), u32(0), u32(65_535), u32(linkType)];
  const records = frames.flatMap(([seconds, fraction, text]) => [
    u32(seconds),
    u32(fraction),
    u32(text.length),
    u32(text.length + 10),
    Buffer.from(text),
  ]);
  return Buffer.concat([...header, ...records]);
}
