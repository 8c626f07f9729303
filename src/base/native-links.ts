/** The addon's types for links and namespaces. */

/** An open network namespace. Two handles have the same `key` if and only if they are handles of one namespace. */
export interface NamespaceHandle {
  readonly key: string;
  /** The descriptor that holds it; -1 once closed. */
  readonly fd: number;
  close(): void;
}

/** A link with the kernel's own numbers; src/links/link.ts turns it into the public `Link`. */
export interface NativeLink {
  index: number;
  name: string;
  alternativeNames: string[];
  kind: string;
  portKind: string;
  mac?: string;
  mtu: number;
  flags: number;
  operState: number;
  carrier: boolean;
  master: number;
  lower: number;
  lowerNetnsId?: number;
  txQueueLength: number;
  txQueues: number;
  rxQueues: number;
  alias: string;
  stats: {
    rxPackets: number;
    txPackets: number;
    rxBytes: number;
    txBytes: number;
    rxErrors: number;
    txErrors: number;
    rxDropped: number;
    txDropped: number;
    multicast: number;
  };
  tun?: {
    type: number;
    owner?: number;
    group?: number;
    packetInfo: boolean;
    vnetHeader: boolean;
    persist: boolean;
    multiQueue: boolean;
    queues: number;
    disabledQueues: number;
  };
  macvlanMode?: number;
  vxlan?: { id: number; remote: string; local: string; port: number; learning: boolean };
  /** IN6_ADDR_GEN_MODE_*; absent without IPv6. */
  addressGeneration?: number;
  bridgePort?: {
    state: number;
    isolated: boolean;
    unicastFlood: boolean;
    multicastFlood: boolean;
    broadcastFlood: boolean;
  };
}

/** All links of a namespace. */
export interface NativeLinkList {
  links: NativeLink[];
  /** False: links came or went during each attempt to read the list; one that did so may be missing, or in it. */
  consistent: boolean;
}

/** MACs are 6-byte Buffers, made by `parseMac`. `master: 0` removes the link from its bridge. */
export interface NativeLinkChanges {
  name?: string;
  mac?: Uint8Array;
  mtu?: number;
  up?: boolean;
  master?: number;
  allMulticast?: boolean;
  promiscuous?: boolean;
  txQueueLength?: number;
  alias?: string;
  carrier?: boolean;
  macvlanMode?: number;
  addressGeneration?: number;
  /** Moves the link there. */
  netns?: NamespaceHandle;
}

export interface NativeNewLink {
  kind: string;
  name: string;
  changes: NativeLinkChanges;
  lower?: number;
  macvlanMode?: number;
  sourceMacs?: Uint8Array[];
  txQueues?: number;
  rxQueues?: number;
  peerName?: string;
  peerMac?: Uint8Array;
  peerNetns?: NamespaceHandle;
  vxlanId?: number;
  vxlanRemote?: string;
  vxlanLocal?: string;
  vxlanPort?: number;
  vxlanLearning?: boolean;
  bridgeStp?: boolean;
  bridgeVlanFiltering?: boolean;
  bridgeMulticastSnooping?: boolean;
  bridgeForwardDelayCs?: number;
  bridgeAgeingTimeCs?: number;
}

/** `address`, `peer` and `broadcast` have 4 or 16 bytes. Absent lifetimes are unlimited. */
export interface NativeIpPrefix {
  address: Uint8Array;
  prefixLength: number;
  noDad: boolean;
  peer?: Uint8Array;
  broadcast?: Uint8Array;
  validLifetimeSec?: number;
  preferredLifetimeSec?: number;
}

/** `flags`: `linux/if_addr.h` IFA_F_*. */
export interface NativeLinkAddress extends NativeIpPrefix {
  flags: number;
}

/** A token bucket. */
export interface NativeShape {
  bytesPerSecond: number;
  burstBytes: number;
  limitBytes: number;
}

/** A link given by its index or by its name. */
export type NativeLinkRef = number | string;

/** A netlink socket that receives every change to a namespace's links, polled on this environment's loop. */
export interface NativeLinkWatch {
  /** Keeps the process alive while watching. A new watch does not. */
  ref(): void;
  unref(): void;
  close(): void;
}

export type NativeLinkEvent =
  | { type: 'change'; link: NativeLink }
  | { type: 'remove'; link: NativeLink }
  /** The socket's buffer overflowed and events were lost: list the links again. */
  | { type: 'overrun' }
  | { type: 'error'; error: Error };
