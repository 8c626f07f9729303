/** What TUN and TAP devices have in common: the ioctls that macvtap does not have. */

import { types } from 'node:util';
import { checkBoolean, checkFd, checkId } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import { IFF_PERSIST } from '../descriptor/device-flags.js';
import { FrameStream } from '../frames/stream.js';

/** `linux/bpf.h`: an instruction has 8 bytes. The limit is BPF_COMPLEXITY_LIMIT_INSNS; without privilege it is 4096. */
const BPF_INSTRUCTION_BYTES = 8;
const MAX_INSTRUCTIONS = 1_000_000;

/**
 * An eBPF socket-filter program: the descriptor of a loaded one (borrowed), instructions to load (8 bytes each, in the
 * machine's byte order; needs CAP_BPF or root), or null to remove the program.
 */
export type BpfProgram = number | Uint8Array | null;

/** The part of {@link Tap} and {@link Tun} that {@link Macvtap} does not have: the ioctls of the TUN/TAP driver. */
export abstract class TunTapDevice extends FrameStream {
  /**
   * Sets whether the device outlives its descriptors (TUNSETPERSIST).
   *
   * @throws TapfdError `EBADFD` if the device was deleted, `ERR_TAPFD_CLOSED` after `close()`,
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

  /** Turns the carrier on or off (TUNSETCARRIER): without carrier the host sends nothing. */
  async setCarrier(carrier: boolean): Promise<void> {
    checkBoolean('carrier', carrier);
    await this.device.control('setCarrier', (queue) => queue.setCarrier(carrier));
  }

  /**
   * Sets the program that chooses the queue of each frame that the host sends (TUNSETSTEERINGEBPF): it returns the queue's
   * number. For devices with `multiQueue`.
   *
   * @throws TapfdError `EINVAL` or `EACCES` (`bpf BPF_PROG_LOAD`) with the verifier's log in `detail`.
   */
  async setSteeringProgram(program: BpfProgram): Promise<void> {
    checkProgram(program);
    await this.device.control('setSteeringProgram', (queue) => queue.setSteeringProgram(program));
  }

  /**
   * Sets the program that filters frames before they reach the reader (TUNSETFILTEREBPF): it returns how many bytes to
   * keep, 0 to drop the frame. Dropped frames count as `kernel` in `stats.received.drops`.
   *
   * @throws TapfdError `EINVAL` or `EACCES` (`bpf BPF_PROG_LOAD`) with the verifier's log in `detail`.
   */
  async setFilterProgram(program: BpfProgram): Promise<void> {
    checkProgram(program);
    await this.device.control('setFilterProgram', (queue) => queue.setFilterProgram(program));
    this.device.noteFilter('filter-program', program !== null);
  }
}

function checkProgram(program: unknown): void {
  if (program === null) return;
  if (typeof program === 'number') {
    checkFd('program', program);
    return;
  }
  const whole =
    types.isUint8Array(program) &&
    program.length > 0 &&
    program.length % BPF_INSTRUCTION_BYTES === 0 &&
    program.length <= MAX_INSTRUCTIONS * BPF_INSTRUCTION_BYTES;
  if (!whole) {
    throw invalidArgument(
      'program',
      `a program's descriptor, 1 to ${MAX_INSTRUCTIONS} instructions of ${BPF_INSTRUCTION_BYTES} bytes, or null`,
      program,
    );
  }
}
