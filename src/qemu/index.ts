// src/qemu/: the entry tapfd/qemu: QMP client, spawning QEMU, following a guest's MAC. On top of qmp, nic and hot-plug.

/**
 * Guests: QEMU, or any program, with descriptors of this process. Start with {@link spawnQemu}.
 *
 * @module tapfd/qemu
 */
export {
  type FollowGuestMacOptions,
  followGuestMac,
  type GuestMacFollower,
  type GuestMacFollowerEvents,
} from './follow-guest-mac.js';
export type {
  QemuFdPassing,
  QemuHotPluggedNic,
  QemuHotPlugNic,
  QemuHotPlugOptions,
} from './hot-plug/options.js';
export {
  type QemuNetworkArguments,
  type QemuNetworkArgumentsOptions,
  type QemuNetworkStyle,
  type QemuNicFacts,
  qemuNetworkArguments,
} from './nic/arguments.js';
export type { QemuNetworkDevice } from './nic/device.js';
export { guestMacFor } from './nic/guest-mac.js';
export type { QemuNic } from './nic/nic.js';
export type { QemuOptionValue } from './nic/option-syntax.js';
export type { QmpCommands, QmpExecuteOptions, QmpWaitOptions } from './qmp/commands.js';
export { QmpError } from './qmp/error.js';
export type { QmpEvent, QmpGreeting, QmpTimestamp, QmpVersion } from './qmp/messages.js';
export type { QmpBytes, QmpSocket } from './qmp/socket.js';
export { QmpClient, type QmpClientEvents } from './qmp-client.js';
export { type QemuNetworkOptions, spawnQemu } from './spawn-qemu.js';
export { spawnWithFds } from './spawn-with-fds.js';
