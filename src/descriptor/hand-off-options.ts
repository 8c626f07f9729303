/** What travels with a queue that another thread or process takes over. */
import type { DeviceKind } from '../base/native-queue.js';
import { formatMac } from '../links/mac.js';
import type { DeviceHandle } from './device-handle.js';
import type { Offload } from './offload.js';
import type { MacCheck } from './settings.js';

/** What the caller of {@link adoptFd} takes the descriptor for. What is left out may be anything. */
export interface ExpectedDevice {
  /** The kind of device. */
  kind?: DeviceKind | undefined;
  /** The name of its interface. */
  name?: string | undefined;
  /** The MAC of its interface, in any notation that `parseMac` reads. A TUN has none. */
  mac?: string | undefined;
  /** The size of its vnet header: 0 for none. */
  vnetHeaderBytes?: number | undefined;
}

/** The options for {@link adoptFd} that make it go on with a queue as it was. */
export interface HandOffOptions {
  /** The device that it is. */
  expect: ExpectedDevice;
  /** The library splits and joins super-frames. */
  segment: boolean;
  /** The offloads that the device was granted, which the kernel does not tell of a macvtap. */
  offload: Offload[];
  /** What happens to written frames with another source MAC than the macvtap's. */
  macCheck: MacCheck;
  /** The MAC of the guest behind the descriptor. */
  guestMac?: string | undefined;
  /** Received frames are copied into memory of their own. */
  copyFrames: boolean;
  /** How many frames may wait in the stream. */
  readableHighWaterMark: number;
  /** How many frames may wait for the kernel. */
  writableHighWaterMark: number;
}

export function handOffOptions({
  kind,
  link: { name, mac },
  offload,
  settings,
  kernelVnetHeaderBytes: vnetHeaderBytes,
}: DeviceHandle): HandOffOptions {
  const { segment, macCheck, guestMac, copyFrames, readableHighWaterMark, writableHighWaterMark } = settings;
  return {
    expect: { kind, name, ...(mac !== undefined && { mac }), vnetHeaderBytes },
    segment,
    offload,
    macCheck,
    ...(guestMac && { guestMac: formatMac(guestMac) }),
    copyFrames,
    readableHighWaterMark,
    writableHighWaterMark,
  };
}
