/** The vnet header in front of each frame of a device with `vnetHeader`: `struct virtio_net_hdr` (`linux/virtio_net.h`). */
import { endianness } from 'node:os';
import {
  checkBoolean,
  checkFrame,
  checkInteger,
  checkObject,
  checkOneOf,
  checkOptionNames,
} from '../base/checks.js';
import { TapfdError } from '../base/errors.js';

/** Bytes of the header. A device may use a longer one (TUNSETVNETHDRSZ); the rest is ignored here. */
const VNET_HEADER_BYTES = 10;

const NEEDS_CSUM = 1;
const DATA_VALID = 2;
const GSO_ECN = 0x80;

/**
 * How a super-frame is split: `tcp4` and `tcp6` TCP segmentation, `udp` UDP segmentation (USO), `udp4` the old
 * fragmentation (UFO); `none` for an ordinary frame.
 */
export type Segmentation = 'none' | 'tcp4' | 'udp4' | 'tcp6' | 'udp';

const GSO_TYPES: Record<Segmentation, number> = { none: 0, tcp4: 1, udp4: 3, tcp6: 4, udp: 5 };

const SEGMENTATIONS: readonly Segmentation[] = ['none', 'tcp4', 'udp4', 'tcp6', 'udp'];

/** What a vnet header says about its frame. */
export interface VnetHeader {
  /** The checksum at `checksumStart + checksumOffset` covers the pseudo-header only and must be completed. */
  needsChecksum: boolean;
  /** The checksum has been verified. */
  dataValid: boolean;
  /** How the frame is split. */
  segmentation: Segmentation;
  /** TCP: only the first segment carries ECN's CWR bit. */
  ecn: boolean;
  /** Bytes of all headers of the frame, as a hint: do not trust it. */
  headerBytes: number;
  /** Bytes of payload in each segment. */
  segmentBytes: number;
  /** Where checksumming begins, counted from the start of the frame, without the vnet header. */
  checksumStart: number;
  /** Where the checksum is stored, counted from `checksumStart`. */
  checksumOffset: number;
}

const NUMBERS = ['headerBytes', 'segmentBytes', 'checksumStart', 'checksumOffset'] as const;
const FIELDS = ['needsChecksum', 'dataValid', 'segmentation', 'ecn', ...NUMBERS];

/** TUN and TAP use the machine's byte order by default (TUNSETVNETLE, TUNSETVNETBE). */
const littleEndian = endianness() === 'LE';

/**
 * Reads the vnet header at the beginning of a frame.
 *
 * @example
 * ```ts
 * import { decodeVnetHeader, openTap } from 'tapfd';
 *
 * const tap = await openTap({ vnetHeader: true, offload: ['csum', 'tso4'] });
 * for await (const frame of tap) console.log(decodeVnetHeader(frame).segmentation, frame.length);
 * ```
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for anything but a Buffer or Uint8Array, `ERR_TAPFD_FRAME_TOO_SHORT` for
 *   one under 10 bytes, `ERR_TAPFD_FRAME_INVALID` for an unknown kind of segmentation.
 */
export function decodeVnetHeader(frame: Uint8Array): VnetHeader {
  checkFrame('frame', frame);
  if (frame.length < VNET_HEADER_BYTES) {
    throw new TapfdError(
      'ERR_TAPFD_FRAME_TOO_SHORT',
      `a vnet header has ${VNET_HEADER_BYTES} bytes, not ${frame.length}`,
    );
  }
  const view = new DataView(frame.buffer, frame.byteOffset, VNET_HEADER_BYTES);
  const flags = view.getUint8(0);
  const type = view.getUint8(1);
  const segmentation = SEGMENTATIONS.find((name) => GSO_TYPES[name] === (type & ~GSO_ECN));
  if (segmentation === undefined) {
    throw new TapfdError(
      'ERR_TAPFD_FRAME_INVALID',
      `a vnet header's gso_type is ${type}, which is none known`,
    );
  }
  return {
    needsChecksum: (flags & NEEDS_CSUM) !== 0,
    dataValid: (flags & DATA_VALID) !== 0,
    segmentation,
    ecn: (type & GSO_ECN) !== 0,
    headerBytes: view.getUint16(2, littleEndian),
    segmentBytes: view.getUint16(4, littleEndian),
    checksumStart: view.getUint16(6, littleEndian),
    checksumOffset: view.getUint16(8, littleEndian),
  };
}

/**
 * Makes the 10 bytes of a vnet header, to put in front of a frame. Fields left out are false, `none` or 0, so
 * `encodeVnetHeader()` is the header of an ordinary frame.
 *
 * @example
 * ```ts
 * import { encodeVnetHeader, openTap } from 'tapfd';
 *
 * const tap = await openTap({ vnetHeader: true });
 * const frame = Buffer.alloc(60);
 * tap.write(Buffer.concat([encodeVnetHeader({ segmentation: 'none', needsChecksum: false }), frame]));
 * ```
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for a field of the wrong type or range.
 */
export function encodeVnetHeader(
  header: { readonly [field in keyof VnetHeader]?: VnetHeader[field] | undefined } = {},
): Buffer {
  checkOptionNames('encodeVnetHeader', checkObject('header', header), FIELDS, 'header');
  const { needsChecksum = false, dataValid = false, segmentation = 'none', ecn = false } = header;
  const flags =
    (checkBoolean('header.needsChecksum', needsChecksum) ? NEEDS_CSUM : 0) |
    (checkBoolean('header.dataValid', dataValid) ? DATA_VALID : 0);
  const type = GSO_TYPES[checkOneOf('header.segmentation', segmentation, SEGMENTATIONS)];
  const bytes = Buffer.alloc(VNET_HEADER_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, VNET_HEADER_BYTES);
  view.setUint8(0, flags);
  view.setUint8(1, type | (checkBoolean('header.ecn', ecn) ? GSO_ECN : 0));
  NUMBERS.forEach((field, i) => {
    view.setUint16(2 + 2 * i, checkInteger(`header.${field}`, header[field] ?? 0, 0, 0xffff), littleEndian);
  });
  return bytes;
}
