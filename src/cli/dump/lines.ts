/** Frames as lines of text, and of JSON. */
import { headerBytes } from '../../capture/frame-headers.js';
import type { FrameStream } from '../../index.js';
import {
  decodeFrame,
  decodePacket,
  type FieldValue,
  fieldsOf,
  type Packet,
  summarize,
} from '../../packets/index.js';
import { jsonOf } from '../terminal/output.js';

/** Turns what a device delivers into lines. */
export class FrameLines {
  readonly #isTun: boolean;
  /** Before the frame itself: packet information and vnet header. */
  readonly #headerBytes: number;
  readonly #snaplen: number;

  constructor({ kind, flags, vnetHeaderBytes }: FrameStream, snaplen = Number.POSITIVE_INFINITY) {
    this.#isTun = kind === 'tun';
    this.#headerBytes = headerBytes({ kind, packetInfo: flags.packetInfo, vnetHeaderBytes });
    this.#snaplen = snaplen;
  }

  /** `12:00:00.123456 02:…:01 > ff:…:ff, ARP, request …` */
  text(bytes: Buffer, time: Date): string {
    const clock = time.toTimeString().slice(0, 8);
    const fraction = String(time.getMilliseconds()).padStart(3, '0');
    return `${clock}.${fraction} ${summarize(this.#decode(bytes), { macs: true })}`;
  }

  json(bytes: Buffer, time: Date): string {
    const packet = this.#decode(bytes);
    return jsonOf({
      time: time.toISOString(),
      bytes: bytes.length - this.#headerBytes,
      summary: summarize(packet),
      fields: Object.fromEntries(fieldsOf(packet).map(([path, value]) => [path, plain(value)])),
    });
  }

  #decode(bytes: Buffer): Packet {
    const frame = bytes.subarray(this.#headerBytes, this.#headerBytes + this.#snaplen);
    return this.#isTun ? decodePacket(frame) : decodeFrame(frame);
  }
}

/** Bytes as hexadecimal digits. */
function plain(value: FieldValue): Exclude<FieldValue, Buffer> {
  return Buffer.isBuffer(value) ? value.toString('hex') : value;
}
