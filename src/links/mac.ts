/** Ethernet (MAC) addresses: those of links, and random ones. */
import { randomFillSync } from 'node:crypto';
import { checkMac, MAC_BYTES, macBytes, macText } from '../addresses/mac.js';
import { checkObject, checkOptionNames, isUint8Array, refuseSurplus } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';

const MULTICAST_BIT = 0x01;
const LOCALLY_ADMINISTERED_BIT = 0x02;

/** Like {@link checkMac}, for a MAC that an interface can have (`linux/etherdevice.h` is_valid_ether_addr): neither multicast nor zero. */
export function checkUnicastMac(argument: string, value: unknown): Buffer {
  const bytes = checkMac(argument, value);
  if (isMulticastMac(bytes)) throw invalidArgument(argument, 'a unicast MAC, not a multicast one', value);
  if (bytes.every((byte) => byte === 0)) throw invalidArgument(argument, 'a MAC that is not zero', value);
  return bytes;
}

/**
 * The six bytes of a MAC written `aa:bb:cc:dd:ee:ff` or `aa-bb-cc-dd-ee-ff`, in either case.
 *
 * @example
 * ```ts
 * import { parseMac } from 'tapfd';
 *
 * const frame = Buffer.alloc(60);
 * parseMac('52:54:00:12:34:80').copy(frame, 6);
 * ```
 *
 * @param text - Two hexadecimal digits per byte, with one kind of separator.
 * @returns A new Buffer of 6 bytes.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for anything else.
 */
export function parseMac(text: string): Buffer {
  return checkMac('mac', text);
}

/**
 * Formats a MAC as the kernel and this library print it: lower case, with colons.
 *
 * @example
 * ```ts
 * import { formatMac } from 'tapfd';
 *
 * console.log(formatMac(Buffer.from([0x52, 0x54, 0, 0x12, 0x34, 0x80]))); // 52:54:00:12:34:80
 * ```
 *
 * @param bytes - Exactly 6 bytes.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for another length or type.
 */
export function formatMac(bytes: Uint8Array): string {
  if (!isUint8Array(bytes) || bytes.length !== MAC_BYTES) {
    throw invalidArgument('bytes', `${MAC_BYTES} bytes`, bytes);
  }
  return macText(bytes);
}

/** Options of {@link randomMac}. */
export interface RandomMacOptions {
  /**
   * The first 1 to 5 bytes, such as `'52:54:00'`, which QEMU and libvirt use; must not be multicast. Default: none,
   * 46 random bits. With only the 24 random bits after `52:54:00`, two of 600 guests have the same MAC in one network of
   * a hundred.
   */
  prefix?: string | undefined;
}

/**
 * Returns a random unicast MAC. Without a prefix it is locally administered (the bit 0x02 of the first byte), so that it
 * cannot be that of any hardware.
 *
 * @example
 * ```ts
 * import { openMacvtap, randomMac } from 'tapfd';
 *
 * await openMacvtap({ lower: 'eth0', guestMac: randomMac() });
 * ```
 *
 * @returns Text in the form of {@link formatMac}.
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for a prefix that is malformed or multicast.
 */
export function randomMac(options: RandomMacOptions = {}): string {
  refuseSurplus('randomMac', arguments, 1);
  const { prefix }: RandomMacOptions = checkObject('options', options);
  checkOptionNames('randomMac', options, ['prefix']);
  const first = prefix === undefined ? undefined : checkPrefix(prefix);
  const mac = Buffer.alloc(MAC_BYTES);
  do {
    randomFillSync(mac);
    if (first === undefined) {
      mac.writeUInt8((mac.readUInt8(0) & ~MULTICAST_BIT) | LOCALLY_ADMINISTERED_BIT, 0);
    } else {
      first.copy(mac);
    }
  } while (mac.every((byte) => byte === 0));
  return formatMac(mac);
}

function checkPrefix(prefix: unknown): Buffer {
  const bytes = macBytes(prefix, 1, MAC_BYTES - 1);
  if (bytes === undefined || isMulticastBit(bytes)) {
    throw invalidArgument('prefix', `the first 1 to ${MAC_BYTES - 1} bytes of a unicast MAC`, prefix);
  }
  return bytes;
}

function isMulticastBit(bytes: Uint8Array): boolean {
  return bytes.some((byte, place) => place === 0 && (byte & MULTICAST_BIT) !== 0);
}

/**
 * Whether a MAC is that of a group, broadcast included: the bit 0x01 of its first byte.
 *
 * @example
 * ```ts
 * import { formatMac, isMulticastMac, openTap } from 'tapfd';
 *
 * for await (const frame of await openTap()) {
 *   if (isMulticastMac(formatMac(frame.subarray(0, 6)))) console.log('to a group');
 * }
 * ```
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` if it is not a MAC.
 */
export function isMulticastMac(mac: string | Uint8Array): boolean {
  if (typeof mac === 'string') return isMulticastBit(parseMac(mac));
  if (!isUint8Array(mac) || mac.length !== MAC_BYTES) {
    throw invalidArgument('mac', `a MAC as text or ${MAC_BYTES} bytes`, mac);
  }
  return isMulticastBit(mac);
}
