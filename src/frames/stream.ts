/**
 * src/frames/: frames in and out: streams, batches, forwarding, counters. On top of descriptor and diagnose.
 *
 * What all devices have in common: a Duplex of frames, facts about the interface, and calls on the descriptor.
 */
import { checkInteger } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import type { DeviceKind } from '../base/native-queue.js';
import type { DeviceFlags } from '../descriptor/device-flags.js';
import type { OpenedDevice } from '../descriptor/device-handle.js';
import { type HandOffOptions, handOffOptions } from '../descriptor/hand-off-options.js';
import { checkOffload, type Offload } from '../descriptor/offload.js';
import { type OpenQueueOptions, openQueueSignal } from '../descriptor/settings.js';
import { diagnose } from '../diagnose/diagnose.js';
import type { Finding } from '../diagnose/finding.js';
import { FrameDuplex } from './duplex.js';

/** What the kernel's driver supports and what it granted. */
export interface DeviceFeatures {
  /** Flags of the driver by name (TUNGETFEATURES): `vnetHeader`, `napi`, … A TUN or TAP always has `packetInfo`. */
  supported: string[];
  /** Offloads granted. */
  offload: Offload[];
  /**
   * Whether the frames of a batch are joined for the kernel: with `segment`, until the kernel refuses joined ones for the
   * first time (EINVAL, or EMSGSIZE with `napi: 'frags'`). Their pieces are sent then, and from then on each frame singly.
   */
  joins: boolean;
}

/**
 * A stream of whole frames: each chunk read is one frame the kernel sent out of the interface, each chunk written is
 * one frame the interface receives. Made by {@link openTap}, {@link openTun}, {@link openMacvtap} and {@link adoptFd}.
 *
 * A received frame is a Buffer that may be kept: nothing overwrites it.
 *
 * A frame that cannot be sent as it is gets refused: its own write callback has the error
 * (`ERR_TAPFD_FRAME_TOO_SHORT`, `ERR_TAPFD_FRAME_TOO_LONG`, `ERR_TAPFD_FRAME_INVALID`, `ERR_TAPFD_MAC_MISMATCH`), it is
 * counted and reported by `'drop'`, and the stream remains usable.
 *
 * The stream ends with `ERR_TAPFD_DEVICE_GONE` when the device is deleted.
 *
 * Events beside those of `stream.Duplex`: `'link'` with a {@link LinkChange}, `'drop'` with a {@link FrameDrop}.
 */
export abstract class FrameStream extends FrameDuplex {
  /** What the descriptor is. */
  abstract readonly kind: DeviceKind;

  /** The interface's name, followed when it is renamed. */
  get name(): string {
    return this.device.link.name;
  }

  /** The interface's index in its namespace. */
  get index(): number {
    return this.device.link.index;
  }

  /** The interface's MAC, followed when it changes; undefined on TUN. On TAP this is the host's side. */
  get mac(): string | undefined {
    return this.device.link.mac;
  }

  /** Bytes of the longest packet, without Ethernet header; followed when it changes. */
  get mtu(): number {
    return this.device.link.mtu;
  }

  /** How the device is set up. */
  get flags(): DeviceFlags {
    return this.device.flags;
  }

  /** What the driver supports and granted. */
  get features(): DeviceFeatures {
    return {
      supported: [...this.device.supported],
      offload: this.device.offload,
      joins: this.device.queue.joins,
    };
  }

  /** Bytes of the vnet header in front of each frame; 0 without. */
  get vnetHeaderBytes(): number {
    return this.device.vnetHeaderBytes;
  }

  /**
   * Takes this queue out of the device's traffic: the kernel sends it nothing until {@link attachQueue}. Needs
   * `multiQueue` on TUN and TAP.
   *
   * @throws TapfdError `EINVAL` (`ioctl TUNSETQUEUE`) when it is detached already; `ERR_TAPFD_INVALID_STATE` on a TUN or
   *   TAP of one queue.
   */
  async detachQueue(): Promise<void> {
    await this.device.setAttached('detachQueue', false);
  }

  /**
   * Takes part in the device's traffic again after {@link detachQueue}.
   *
   * @throws TapfdError `EINVAL` (`ioctl TUNSETQUEUE`) when it is attached already; `ERR_TAPFD_DEVICE_DIFFERS` when the
   *   size of the device's vnet header has changed meanwhile.
   */
  async attachQueue(): Promise<void> {
    await this.device.setAttached('attachQueue', true);
  }

  /**
   * Asks for these offloads in place of the present ones, best combination first.
   *
   * @returns What was granted. The mask belongs to the device: all its queues have it, and those that `openQueue()` opened
   *   in this thread know of it.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT` for a list no kernel takes, or without a vnet header.
   */
  async setOffload(offload: Offload[]): Promise<Offload[]> {
    const list = checkOffload('offload', offload);
    if (list.length > 0 && this.vnetHeaderBytes === 0 && !this.device.settings.segment) {
      throw invalidArgument('offload', 'used on a device opened with vnetHeader: true', list.join(', '));
    }
    return this.device.setOffload(list);
  }

  /**
   * Sets how many bytes of written frames the kernel holds before `write()` has to wait (TUNSETSNDBUF).
   *
   * @param bytes - 1 to 2147483647, the default at opening.
   */
  async setSendBuffer(bytes: number): Promise<void> {
    checkInteger('bytes', bytes, 1, 0x7fff_ffff);
    await this.device.setSendBuffer(bytes);
  }

  /** @internal A further queue, and the signal that it was opened with. */
  protected async openFurther(options: OpenQueueOptions): Promise<OpenedDevice> {
    const signal = openQueueSignal(options);
    const device = await this.device.openFurther();
    if (signal?.aborted) {
      device.watch.release();
      await device.opened.queue.close();
    }
    signal?.throwIfAborted();
    return { ...device, signal };
  }

  /**
   * Whether the device still exists (TUNGETIFF on the descriptor).
   *
   * @throws TapfdError `ERR_TAPFD_CLOSED` after `destroy()`, `ERR_TAPFD_HANDED_OFF` after `handOff()`.
   */
  async isAlive(): Promise<boolean> {
    return this.device.control('isAlive', () => this.device.follower.isAlive());
  }

  /**
   * What {@link adoptFd} in another thread or process must know to go on with this queue as it is: pass it along with the
   * descriptor that `handOff()` returns. Plain data, for `postMessage()` or JSON. Add `netns` if the device is in another
   * namespace than the one that adopts it.
   *
   * @example
   * ```ts
   * import { Worker } from 'node:worker_threads';
   * import { openTun } from 'tapfd';
   *
   * const tun = await openTun();
   * const workerData = { options: tun.handOffOptions(), fd: tun.handOff() };
   * new Worker(new URL('./worker.js', import.meta.url), { workerData }); // there: adoptFd(fd, options)
   * ```
   */
  handOffOptions(): HandOffOptions {
    return handOffOptions(this.device);
  }

  /**
   * Looks for what stops frames of this device, or will, and says what to do about each: whether it is up and has a
   * carrier, its bridge or lower device, MAC, mode, multicast, MTU, other queues, the node in `/dev`. It asks the
   * kernel anew and changes nothing.
   *
   * Needs no privilege. Queues in other processes are named where the caller may look into those.
   *
   * @example
   * ```ts
   * import { openMacvtap } from 'tapfd';
   *
   * const device = await openMacvtap({ name: 'macvtap0' });
   * for (const { code, message, remedy } of await device.diagnose()) console.log(code, message, remedy);
   * ```
   *
   * @returns What was found, errors first; an empty list if nothing was.
   * @throws TapfdError `ERR_TAPFD_DEVICE_GONE` when the device was deleted, `ERR_TAPFD_CLOSED` after `destroy()`,
   *   `ERR_TAPFD_HANDED_OFF` after `handOff()`.
   */
  async diagnose(): Promise<Finding[]> {
    return diagnose(this.device);
  }
}
