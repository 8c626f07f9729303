/** The devices that measured programs work on: tapfd's, those of other packages, and an inherited descriptor. */
import { createRequire } from 'node:module';

/** Room for a super-frame with its headers. */
export const FRAME_BYTES = 66 * 1024;
/** bench/floor/with_device.c puts the descriptor there. */
export const INHERITED_FD = 3;
const OFFLOAD = ['csum', 'tso4', 'tso6', 'uso4', 'uso6'];

/** @param {object} [more] further options of the opening call */
export async function openDevice(name, kind, more = {}) {
  const { openTap, openTun } = await import('tapfd');
  const options = { name, ...more };
  if (kind === 'tun') return openTun(options);
  return openTap(kind === 'tap-vnet' ? { ...options, vnetHeader: true, offload: OFFLOAD } : options);
}

export function openAppiumTun(name) {
  const { TunTap } = load('appium-ios-tuntap');
  const device = new TunTap(name);
  device.open();
  return device;
}

/** It chooses the name itself. */
export function openWintunTap() {
  const { LinuxTap } = load('@xiaobaidadada/node-tuntap2-wintun');
  const device = new LinuxTap();
  device.isUp = true;
  return device;
}

/** A package that bench/rig/other-packages.mjs has installed. */
function load(name) {
  return createRequire(process.env.TAPFD_BENCH_PACKAGES)(name);
}
