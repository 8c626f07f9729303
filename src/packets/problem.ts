/** What is wrong with a packet. */

/** The headers of a packet, by the names that they have in `Packet`. */
export type LayerName =
  | 'ethernet'
  | 'vlans'
  | 'arp'
  | 'ipv4'
  | 'ipv6'
  | 'icmp'
  | 'icmpv6'
  | 'udp'
  | 'tcp'
  | 'dhcp';

/**
 * What is wrong:
 *
 * - `truncated`: bytes are missing at the end, or within a header, which is then absent;
 * - `bad-version`, `bad-length`: a field that cannot be right;
 * - `bad-checksum`;
 * - `partial-checksum`: the checksum is that of the pseudo-header alone, as the kernel leaves it to a device: not an error
 *   between a program and its own kernel;
 * - `no-checksum`: 0 in UDP over IPv6, which must have one;
 * - `bad-option`: options that end in the middle, or have an impossible length;
 * - `unsupported`: a kind that this library does not read.
 */
export type ProblemCode =
  | 'truncated'
  | 'bad-version'
  | 'bad-length'
  | 'bad-checksum'
  | 'partial-checksum'
  | 'no-checksum'
  | 'bad-option'
  | 'unsupported';

/** Something that is wrong with a packet. */
export interface Problem {
  /** Where. The header may be absent because of it. */
  readonly layer: LayerName;
  /** What: programs branch on this. */
  readonly code: ProblemCode;
  /** For people. */
  readonly text: string;
}
