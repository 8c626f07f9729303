/** The numbers of the pcapng format (draft-ietf-opsawg-pcapng) and of classic pcap files. */

/** Types of blocks. */
export const BLOCK = {
  section: 0x0a0d0d0a,
  interface: 1,
  /** Obsolete; old files have it. */
  packet: 2,
  simplePacket: 3,
  statistics: 5,
  enhancedPacket: 6,
} as const;

/** The first field of a section, in the byte order of all others. */
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

/** Codes of options. Those under 10 mean the same, or depend on the block. */
export const OPTION = {
  end: 0,
  comment: 1,
  sectionHardware: 2,
  sectionOs: 3,
  sectionApplication: 4,
  name: 2,
  description: 3,
  mac: 6,
  speed: 8,
  timeResolution: 9,
  filter: 11,
  os: 12,
  timeOffset: 14,
  hardware: 15,
  packetFlags: 2,
  packetDrops: 4,
  packetId: 5,
  packetQueue: 6,
  startTime: 2,
  endTime: 3,
  received: 4,
  dropped: 5,
  accepted: 6,
  osDropped: 7,
  delivered: 8,
} as const;

/** Link types (https://www.tcpdump.org/linktypes.html) by the names that they have here. */
export const LINK_TYPES = { ethernet: 1, raw: 101 } as const;

/** The last digits of what Wireshark takes as one packet (`WTAP_MAX_PACKET_SIZE_STANDARD`). */
export const MAX_FRAME_BYTES = 262_144;

/** An option's length is a 16-bit number. */
export const MAX_OPTION_BYTES = 0xffff;

/** Fields are padded to 32 bits. */
export function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}
