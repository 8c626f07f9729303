/** IP addresses. Without `node:net`, so that `tapfd/packets` runs where there is none. */

const IPV4_PART = /^(?:0|[1-9]\d{0,2})$/;
const IPV6_GROUP = /^[0-9a-f]{1,4}$/i;
const IPV6_BYTES = 16;

/** The 4 bytes of `10.0.0.1`; undefined for anything else, leading zeros included, which some read as octal. */
export function ipv4Bytes(text: string): Buffer | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => IPV4_PART.test(part) && Number(part) < 256))
    return undefined;
  return Buffer.from(parts.map(Number));
}

/** The 16 bytes of an IPv6 address without a zone (`%eth0`), in any of the forms of RFC 4291. */
export function ipv6Bytes(text: string): Buffer | undefined {
  // `::` stands for the missing groups, which are zero.
  const [head = '', tail, ...more] = text.split('::');
  if (more.length > 0) return undefined;
  const before = groupBytes(head, tail === undefined);
  const after = groupBytes(tail ?? '', true);
  if (before === undefined || after === undefined) return undefined;
  const missing = IPV6_BYTES - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 2) return undefined;
  return Buffer.from([...before, ...Array<number>(missing).fill(0), ...after]);
}

/** The bytes of `1:22:333`; the last group of an address may be an IPv4 address. */
function groupBytes(text: string, endsAddress: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [place, group] of groups.entries()) {
    const embedded = endsAddress && place === groups.length - 1 ? ipv4Bytes(group) : undefined;
    if (embedded) bytes.push(...embedded);
    else if (!IPV6_GROUP.test(group)) return undefined;
    else {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}

/** The text of the IPv4 address that begins at `at`, if there are 4 bytes. */
export function ipv4Text(bytes: Uint8Array, at = 0): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/**
 * The text of the IPv6 address that begins at `at`, if there are 16 bytes, as RFC 5952 has it: lower case, the longest
 * run of zeros as `::`, and `::ffff:10.0.0.1` for an IPv4 address in an IPv6 one.
 */
export function ipv6Text(bytes: Uint8Array, at = 0): string {
  const groups: number[] = [];
  for (let place = at; place < at + IPV6_BYTES; place += 2) {
    groups.push((bytes[place] << 8) | bytes[place + 1]);
  }
  const { start, length } = longestZeroRun(groups);
  const isMapped = start === 0 && length === 5 && groups[5] === 0xffff;
  if (isMapped) return `::ffff:${ipv4Text(bytes, at + 12)}`;
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 };
  let run = 0;
  for (const [place, group] of groups.entries()) {
    run = group === 0 ? run + 1 : 0;
    if (run > longest.length) longest = { start: place - run + 1, length: run };
  }
  return longest;
}
