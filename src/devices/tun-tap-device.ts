/** What TUN and TAP devices share beyond frames: the ioctls that macvtap does not have. */

import { checkBoolean, checkFd, checkId } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { IFF_PERSIST } from '../descriptor/device-flags.js';
import { FrameStream } from '../frames/stream.js';

/** `linux/bpf.h`: each instruction has 8 bytes, and BPF_MAXINSNS is the limit without privilege. */
const BPF_INSTRUCTION_BYTES = 8;
const MOST_INSTRUCTIONS = 4096;

/**
 * An eBPF socket-filter program: the descriptor of a loaded one (borrowed), instructions to load (8 bytes each, in the
 * machine's byte order; needs CAP_BPF or root), or null to take the program away.
 */
export type BpfProgram = number | Uint8Array | null;

/** What {@link Tap} and {@link Tun} have and {@link Macvtap} has not: the ioctls of the TUN/TAP driver. */
export abstract class TunTapDevice extends FrameStream {
  /**
   * Lets the device outlive its descriptors, or not (TUNSETPERSIST).
   *
   * @throws TapfdError `EBADFD` when the device is gone, `ERR_TAPFD_CLOSED` after `destroy()`,
   *   `ERR_TAPFD_HANDED_OFF` after `handOff()`.
   */
  async setPersist(persist: boolean): Promise<void> {
    checkBoolean('persist', persist);
    await this.device.control('setPersist', (queue) => queue.setPersist(persist));
    this.device.noteFlag(IFF_PERSIST, persist);
  }

  /** Allows this uid to attach without CAP_NET_ADMIN (TUNSETOWNER). */
  async setOwner(uid: number): Promise<void> {
    checkId('uid', uid);
    await this.device.control('setOwner', (queue) => queue.setOwner(uid));
  }

  /** Allows this gid to attach without CAP_NET_ADMIN (TUNSETGROUP). */
  async setGroup(gid: number): Promise<void> {
    checkId('gid', gid);
    await this.device.control('setGroup', (queue) => queue.setGroup(gid));
  }

  /** Plugs the cable in or out (TUNSETCARRIER): without carrier the host sends nothing. */
  async setCarrier(carrier: boolean): Promise<void> {
    checkBoolean('carrier', carrier);
    await this.device.control('setCarrier', (queue) => queue.setCarrier(carrier));
  }

  /**
   * Chooses the queue of each frame the host sends (TUNSETSTEERINGEBPF): the program returns the queue's number. For
   * devices with `multiQueue`.
   *
   * @throws TapfdError `EINVAL` or `EACCES` (`bpf BPF_PROG_LOAD`) with the verifier's log in `detail`.
   */
  async setSteeringProgram(program: BpfProgram): Promise<void> {
    checkProgram(program);
    await this.device.control('setSteeringProgram', (queue) => queue.setSteeringProgram(program));
  }

  /**
   * Drops frames before they reach the reader (TUNSETFILTEREBPF): the program returns how many bytes to keep, 0 to drop
   * the frame. Dropped frames count as `kernel` in `stats.received.drops`.
   *
   * @throws TapfdError `EINVAL` or `EACCES` (`bpf BPF_PROG_LOAD`) with the verifier's log in `detail`.
   */
  async setFilterProgram(program: BpfProgram): Promise<void> {
    checkProgram(program);
    await this.device.control('setFilterProgram', (queue) => queue.setFilterProgram(program));
  }
}

function checkProgram(program: unknown): void {
  if (program === null) return;
  if (typeof program === 'number') {
    checkFd('program', program);
    return;
  }
  const whole =
    program instanceof Uint8Array &&
    program.length > 0 &&
    program.length % BPF_INSTRUCTION_BYTES === 0 &&
    program.length <= MOST_INSTRUCTIONS * BPF_INSTRUCTION_BYTES;
  if (!whole) {
    throw invalidArgument(
      'program',
      `a program's descriptor, 1 to ${MOST_INSTRUCTIONS} instructions of ${BPF_INSTRUCTION_BYTES} bytes, or null`,
      program,
    );
  }
}
