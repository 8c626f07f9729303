/** The IFF_* flags of a descriptor (`linux/if_tun.h`), by name. */

const IFF_NAPI = 0x0010;
const IFF_NAPI_FRAGS = 0x0020;
const IFF_MULTI_QUEUE = 0x0100;
export const IFF_DETACH_QUEUE = 0x0400;
export const IFF_PERSIST = 0x0800;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;

/** How a device is set up, as TUNGETIFF reported when it was opened. */
export interface DeviceFlags {
  /** Each frame has 4 bytes of packet information in front. */
  packetInfo: boolean;
  /** Each frame has a vnet header in front. */
  vnetHeader: boolean;
  /** Further queues may be opened. */
  multiQueue: boolean;
  /** The device outlives its descriptors (TUN and TAP). */
  persist: boolean;
  /** Written frames are delivered through NAPI. */
  napi: boolean;
  /** NAPI with frames in fragments (`napi: 'frags'`). */
  napiFrags: boolean;
  /** This queue is detached from the device's traffic. */
  detached: boolean;
}

export function deviceFlags(flags: number): DeviceFlags {
  const has = (flag: number) => (flags & flag) !== 0;
  return {
    packetInfo: !has(IFF_NO_PI),
    vnetHeader: has(IFF_VNET_HDR),
    multiQueue: has(IFF_MULTI_QUEUE),
    persist: has(IFF_PERSIST),
    napi: has(IFF_NAPI),
    napiFrags: has(IFF_NAPI_FRAGS),
    detached: has(IFF_DETACH_QUEUE),
  };
}

const FEATURES: Record<string, number> = {
  tun: 0x0001,
  tap: 0x0002,
  napi: IFF_NAPI,
  napiFrags: IFF_NAPI_FRAGS,
  noCarrier: 0x0040,
  backpressure: 0x0080,
  multiQueue: IFF_MULTI_QUEUE,
  noPacketInfo: IFF_NO_PI,
  vnetHeader: IFF_VNET_HDR,
};

/** The names of the features in a TUNGETFEATURES mask. */
export function featureNames(features: number): string[] {
  return Object.keys(FEATURES).filter((name) => (features & FEATURES[name]) !== 0);
}
