/** The meaning of a native write's outcome: sent, lost as a network card loses frames, refused, or the end. */
import { constants } from 'node:os';
import { errnoName, TapfdError } from '../base/errors.js';
import { FrameFault } from '../base/native-queue.js';
import type { DeviceHandle } from '../descriptor/device-handle.js';
import { meansGone } from '../descriptor/gone.js';
import type { SendDropReason } from './counters.js';

const { EACCES, EAGAIN, EBADF, EBUSY, EFAULT, EINVAL, EIO, EMSGSIZE, ENOBUFS, ENOMEM, ENOSPC, EPERM } =
  constants.errno;

/** What would be the answer to the next read, too, and at once: no frame is the cause. */
const ENDS_READING = new Set([-EACCES, -EFAULT, -EPERM]);

/** The outcome of a write that the kernel cannot take yet. */
export const WOULD_WAIT = -EAGAIN;

export interface FrameRefusal {
  reason: SendDropReason;
  code: string;
  cause: (device: DeviceHandle) => string;
  /** Negative, where the error is the kernel's own. */
  errno?: number;
}

const REFUSALS: Partial<Record<number, FrameRefusal>> = {
  [FrameFault.tooShort]: {
    reason: 'too-short',
    code: 'ERR_TAPFD_FRAME_TOO_SHORT',
    cause: ({ kind }) =>
      kind === 'tun'
        ? 'it ends before its packet begins'
        : 'an Ethernet frame has 14 bytes at least, after packet information and vnet header',
  },
  [FrameFault.tooLong]: {
    reason: 'too-long',
    code: 'ERR_TAPFD_FRAME_TOO_LONG',
    cause: ({ link }) => `the MTU of ${link.name} is ${link.mtu}`,
  },
  [FrameFault.invalid]: {
    reason: 'invalid',
    code: 'ERR_TAPFD_FRAME_INVALID',
    cause: () => 'a TUN packet begins with IP version 4 or 6, and is as long as its own header says',
  },
  [FrameFault.sourceMac]: {
    reason: 'source-mac',
    code: 'ERR_TAPFD_MAC_MISMATCH',
    cause: ({ link }) =>
      `its source MAC is not that of ${link.name}, ${link.mac}: answers would never arrive`,
  },
  // The checks have passed, so the kernel must be refusing the vnet header (tun.c tun_get_user).
  [-EINVAL]: {
    reason: 'invalid',
    code: 'ERR_TAPFD_FRAME_INVALID',
    cause: ({ vnetHeaderBytes }) =>
      `the kernel refuses ${vnetHeaderBytes > 0 ? 'its vnet header' : 'it'} (EINVAL)`,
  },
  // tun.c tun_napi_alloc_frags, skbuff.c alloc_skb_with_frags.
  [-EMSGSIZE]: {
    reason: 'too-long',
    code: 'ERR_TAPFD_FRAME_TOO_LONG',
    cause: () => "the driver takes no frame of this size (EMSGSIZE); with napi: 'frags', 65471 bytes at most",
  },
};

/** Failures that lose one frame, as a network card would, but do not end the stream. */
const LOSSES: Partial<Record<number, SendDropReason>> = {
  [-EIO]: 'link-down',
  [-ENOBUFS]: 'no-buffer',
  [-ENOMEM]: 'no-buffer',
  [-ENOSPC]: 'no-buffer',
  [-EBUSY]: 'detached',
};

/**
 * Why a frame was lost without an error, if it was. A macvtap that is down takes frames and silently drops them; if it is in
 * another namespace, its state is unknown.
 */
export function lossOf(device: DeviceHandle, outcome: number): SendDropReason | undefined {
  if (outcome === 0) {
    const { kind, follower } = device;
    return kind === 'macvtap' && !follower.up && !follower.movedAway ? 'link-down' : undefined;
  }
  if (outcome === FrameFault.sourceMac && device.settings.macCheck === 'drop') return 'source-mac';
  return LOSSES[outcome];
}

/** Why a frame was refused; undefined when the device has ended instead. */
export function refusalOf(outcome: number): FrameRefusal | undefined {
  return REFUSALS[outcome] ?? (endsDevice(outcome) ? undefined : otherRefusal(outcome));
}

/** All that ends a device: nothing is behind its descriptor any more. native/frames/io.h `EndsDevice` has the same. */
function endsDevice(errno: number): boolean {
  return errno === -EBADF || meansGone(errno);
}

/** An error that no driver is known to return. Whatever it means, it was the answer to one frame. */
function otherRefusal(errno: number): FrameRefusal {
  const code = errnoName(errno);
  return { reason: 'kernel', code, errno, cause: () => `the kernel refuses it (${code})` };
}

/** The error for the callback of a refused frame. */
export function refusalError(device: DeviceHandle, refusal: FrameRefusal, bytes: number): TapfdError {
  const { errno } = refusal;
  return new TapfdError(
    refusal.code,
    `write: a frame of ${bytes} bytes is refused: ${refusal.cause(device)}`,
    {
      interface: device.link.name,
      recoverable: true,
      ...(errno === undefined ? {} : { errno, syscall: 'write' }),
    },
  );
}

/** What a failed read means: the interface is down and nothing was lost, one frame was lost, or the device has ended. */
export function meaningOfRead(errno: number): 'down' | 'frame lost' | 'end' {
  if (errno === -EIO) return 'down';
  return endsDevice(errno) || ENDS_READING.has(errno) ? 'end' : 'frame lost';
}

/** The error that ends the stream after a failed read or write. */
export function fatalError(device: DeviceHandle, syscall: 'read' | 'write', errno: number): TapfdError {
  if (meansGone(errno)) return device.goneError();
  const code = errnoName(errno);
  const { name } = device.link;
  return new TapfdError(
    code,
    `${syscall}: ${name} cannot be ${syscall === 'read' ? 'read' : 'written'} (${code})`,
    {
      errno,
      syscall,
      interface: name,
    },
  );
}
