/** The public form of a network link. */
import { isDeepStrictEqual } from 'node:util';
import type { NativeLink } from '../base/native-links.js';
import { type AddressGeneration, addressGenerationName } from './address-generation.js';
import { type MacvlanMode, macvlanModeName } from './macvlan-mode.js';

const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_RUNNING = 0x40;
const IFF_NOARP = 0x80;
const IFF_PROMISC = 0x100;
const IFF_ALLMULTI = 0x200;
const TUN_TYPE_TUN = 1;

/** Whether a link passes frames (RFC 2863). TUN, TAP and other drivers that do not report it are `'unknown'` when up. */
export type OperState = 'unknown' | 'notpresent' | 'down' | 'lowerlayerdown' | 'testing' | 'dormant' | 'up';

/** In the order of `linux/if.h` IF_OPER_*. */
const OPER_STATES: readonly OperState[] = [
  'unknown',
  'notpresent',
  'down',
  'lowerlayerdown',
  'testing',
  'dormant',
  'up',
];

/** Counters since the link was made. */
export interface LinkStats {
  /** Frames received. On TUN and TAP: written by the program behind the descriptor. */
  readonly rxPackets: number;
  /** Frames sent. On TUN and TAP: read by the program behind the descriptor. */
  readonly txPackets: number;
  /** Bytes of the frames received. */
  readonly rxBytes: number;
  /** Bytes of the frames sent. */
  readonly txBytes: number;
  /** Frames received damaged. */
  readonly rxErrors: number;
  /** Frames that could not be sent because of an error. */
  readonly txErrors: number;
  /** Frames received and dropped. On macvtap: the descriptor's queue was full. */
  readonly rxDropped: number;
  /** Frames to send and dropped. On TUN and TAP: the descriptor's queue was full. */
  readonly txDropped: number;
  /** Multicast frames received. */
  readonly multicast: number;
}

/** Details of a TUN or TAP link (`linux/if_link.h` IFLA_TUN_*). */
export interface TunLink {
  /** Packets (`tun`) or Ethernet frames (`tap`). */
  readonly type: 'tun' | 'tap';
  /** The uid that may attach; absent: attaching needs CAP_NET_ADMIN. */
  readonly owner?: number | undefined;
  /** The gid that may attach. */
  readonly group?: number | undefined;
  /** Each frame has 4 bytes of packet information in front. */
  readonly packetInfo: boolean;
  /** Each frame has a vnet header in front. */
  readonly vnetHeader: boolean;
  /** It outlives its descriptors. */
  readonly persist: boolean;
  /** Several queues are allowed. */
  readonly multiQueue: boolean;
  /** Attached queues. The kernel reports them for multi-queue links only; otherwise 0. */
  readonly queues: number;
  /** Detached queues. */
  readonly disabledQueues: number;
}

/** Details of a vxlan link. */
export interface VxlanLink {
  /** The network identifier (VNI). */
  readonly id: number;
  /** The destination of frames for unknown MACs; absent: they are dropped. */
  readonly remote?: string | undefined;
  /** The source address. */
  readonly local?: string | undefined;
  /** UDP destination port. */
  readonly port: number;
  /** Learns which address each MAC is at. */
  readonly learning: boolean;
}

/** Whether a port of a bridge passes frames (IEEE 802.1D). Without spanning tree: `'forwarding'` when it is up with a carrier. */
export type BridgePortState = 'disabled' | 'listening' | 'learning' | 'forwarding' | 'blocking';

/** In the order of `linux/if_bridge.h` BR_STATE_*. */
const BRIDGE_PORT_STATES: readonly BridgePortState[] = [
  'disabled',
  'listening',
  'learning',
  'forwarding',
  'blocking',
];

/** Details of a bridge's port (`linux/if_link.h` IFLA_BRPORT_*). */
export interface BridgePort {
  /** Only `'forwarding'` passes frames. */
  readonly state: BridgePortState;
  /** It exchanges no frames with other isolated ports. */
  readonly isolated: boolean;
  /** It gets frames to MACs that the bridge has not learned. */
  readonly unicastFlood: boolean;
  /** It gets frames to groups that nobody has joined. */
  readonly multicastFlood: boolean;
  /** It gets broadcasts. */
  readonly broadcastFlood: boolean;
}

/** One network link as the kernel described it at one moment. It does not change afterwards. */
export interface Link {
  /** A number that does not change, except when the link moves to another namespace. */
  readonly index: number;
  /** 1 to 15 bytes. */
  readonly name: string;
  /** Further names, of up to 127 bytes, which every option and call takes for a link that exists. */
  readonly alternativeNames: readonly string[];
  /** `tun` (TAP too), `macvtap`, `macvlan`, `bridge`, `veth`, `vxlan`, …; absent for hardware and loopback. */
  readonly kind?: string | undefined;
  /** Its role below its master: `bridge` for a bridge port. */
  readonly portKind?: string | undefined;
  /** Absent if it has none, as a TUN. */
  readonly mac?: string | undefined;
  /** Bytes of the longest packet, without the Ethernet header. */
  readonly mtu: number;
  /** Set up by the administrator (IFF_UP). */
  readonly up: boolean;
  /** Up and able to send (IFF_RUNNING). */
  readonly running: boolean;
  /** The other end is connected. */
  readonly carrier: boolean;
  /** Whether it passes frames. */
  readonly operState: OperState;
  /** It is a loopback link: `lo`. */
  readonly loopback: boolean;
  /** Set by the administrator. Without it a link may still be promiscuous for a bridge or a packet socket. */
  readonly promiscuous: boolean;
  /** The host resolves addresses on it (ARP, IPv6 neighbour discovery). False on a TUN. */
  readonly arp: boolean;
  /** It receives multicast frames of every group. */
  readonly allMulticast: boolean;
  /** Index of the bridge (or bond, VRF) it belongs to. */
  readonly master?: number | undefined;
  /** Index of the lower device; of the peer for a veth. */
  readonly lower?: number | undefined;
  /** `lower` is an index in another namespace, and this is that namespace's number here (`ip netns list-id`). */
  readonly lowerNetnsId?: number | undefined;
  /** How many frames may wait to be sent. */
  readonly txQueueLength: number;
  /** Transmit queues. */
  readonly txQueues: number;
  /** Receive queues. */
  readonly rxQueues: number;
  /** Free text set by the administrator; may be empty. */
  readonly alias: string;
  /** How it makes its IPv6 addresses; absent on a kernel without IPv6. */
  readonly addressGeneration?: AddressGeneration | undefined;
  /** Counters at that moment. */
  readonly stats: LinkStats;
  /** For kind `tun`. */
  readonly tun?: TunLink | undefined;
  /** For kinds `macvlan` and `macvtap`. */
  readonly mode?: MacvlanMode | undefined;
  /** For a bridge's port. `links.watch` does not report its changes. */
  readonly bridgePort?: BridgePort | undefined;
  /** For kind `vxlan`. */
  readonly vxlan?: VxlanLink | undefined;
}

/** Turns what the addon read into the public form. */
export function linkFromNative(native: NativeLink): Link {
  const mode = macvlanModeName(native.macvlanMode);
  const addressGeneration = addressGenerationName(native.addressGeneration);
  return {
    index: native.index,
    name: native.name,
    alternativeNames: native.alternativeNames,
    ...(native.kind !== '' && { kind: native.kind }),
    ...(native.portKind !== '' && { portKind: native.portKind }),
    ...(native.mac !== undefined && { mac: native.mac }),
    mtu: native.mtu,
    up: isUp(native),
    running: (native.flags & IFF_RUNNING) !== 0,
    carrier: native.carrier,
    operState: OPER_STATES[native.operState] ?? 'unknown',
    loopback: (native.flags & IFF_LOOPBACK) !== 0,
    promiscuous: (native.flags & IFF_PROMISC) !== 0,
    arp: (native.flags & IFF_NOARP) === 0,
    allMulticast: (native.flags & IFF_ALLMULTI) !== 0,
    ...(native.master !== 0 && { master: native.master }),
    ...(native.lower !== 0 && { lower: native.lower }),
    ...(native.lowerNetnsId !== undefined && { lowerNetnsId: native.lowerNetnsId }),
    txQueueLength: native.txQueueLength,
    txQueues: native.txQueues,
    rxQueues: native.rxQueues,
    alias: native.alias,
    ...(addressGeneration && { addressGeneration }),
    stats: native.stats,
    ...(native.tun && { tun: tunFromNative(native.tun) }),
    ...(mode && { mode }),
    ...(native.bridgePort && { bridgePort: bridgePortFromNative(native.bridgePort) }),
    ...(native.vxlan && { vxlan: vxlanFromNative(native.vxlan) }),
  };
}

function tunFromNative(native: NonNullable<NativeLink['tun']>): TunLink {
  return { ...native, type: native.type === TUN_TYPE_TUN ? 'tun' : 'tap' };
}

function bridgePortFromNative(native: NonNullable<NativeLink['bridgePort']>): BridgePort {
  return { ...native, state: BRIDGE_PORT_STATES[native.state] ?? 'disabled' };
}

function vxlanFromNative({ remote, local, ...rest }: NonNullable<NativeLink['vxlan']>): VxlanLink {
  return { ...rest, ...(remote !== '' && { remote }), ...(local !== '' && { local }) };
}

/**
 * Whether two descriptions of one link are equal, apart from counters and a bridge's settings of its port, which change
 * without an event.
 */
export function isSameState(a: NativeLink, b: NativeLink): boolean {
  const apart = { stats: undefined, bridgePort: undefined };
  return isDeepStrictEqual({ ...a, ...apart }, { ...b, ...apart });
}

/**
 * Whether an index belongs to another link in the second description. The kernel has no identity beyond the index, which
 * it does not reuse by itself, but which a creator may ask for. So this compares what cannot change in a link, and takes
 * it for another link if both name and MAC differ.
 */
export function isAnotherLink(before: NativeLink, after: NativeLink): boolean {
  return (
    before.kind !== after.kind ||
    before.tun?.type !== after.tun?.type ||
    before.vxlan?.id !== after.vxlan?.id ||
    (before.name !== after.name && before.mac !== after.mac)
  );
}

/** Whether the link was set up by the administrator (IFF_UP). */
export function isUp({ flags }: NativeLink): boolean {
  return (flags & IFF_UP) !== 0;
}
