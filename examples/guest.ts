/**
 * A QEMU guest that runs commands: boots the small Linux that `node scripts/guest/image.mjs` builds, with network cards on
 * open TAP and macvtap devices, and talks to it over its serial console. The tests and the demo use it; it is also the
 * shortest way to see what `spawnQemu` is for.
 */
import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { FdSocket } from 'tapfd';
import { type QemuNetworkStyle, type QemuNic, QmpClient, spawnQemu } from 'tapfd/qemu';
import { type GuestCommandResult, GuestConsole } from './guest-console.ts';

export type { GuestCommandResult };

/** The files that `scripts/guest/image.mjs` builds. */
export interface GuestImage {
  kernel: string;
  initramfs: string;
}

export interface GuestOptions {
  /** Used in error messages. Default `guest`. */
  name?: string;
  /** Which of QEMU's options describe the cards. */
  style?: QemuNetworkStyle;
  /** The guest shuts itself down after this time, even if this process is gone. Default 600. */
  lifetimeSeconds?: number;
  /** More arguments for QEMU; another `-machine` adds to that of {@link guestArguments}. */
  arguments?: readonly string[];
  /** How long the boot may take. Default 120,000; it takes 2,000 to 7,000 on a small machine. */
  bootTimeoutMs?: number;
}

/**
 * QEMU's arguments for the image, without network cards. No KVM, because what it can do differs between machines. One
 * thread for all processors: if each has its own, QEMU 7.2 sometimes loses the end of an interrupt when a PCI card is
 * plugged in, and that processor no longer gets its timer interrupts.
 */
export function guestArguments(image: GuestImage, lifetimeSeconds = 600): string[] {
  return [
    ...['-machine', 'pc', '-accel', 'tcg,thread=single', '-m', '128'],
    ...['-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
    ...['-kernel', image.kernel, '-initrd', image.initramfs],
    ...['-append', `console=ttyS0 quiet panic=-1 tapfd.lifetime=${lifetimeSeconds}`],
  ];
}

/** A guest whose monitor is connected. */
export interface GuestWithMonitor {
  guest: Guest;
  qmp: QmpClient;
}

/** Boots a guest as {@link bootGuest} does, with a monitor on a socket without a file. */
export async function bootGuestWithMonitor(
  image: GuestImage,
  nics: readonly QemuNic[],
  options: GuestOptions = {},
): Promise<GuestWithMonitor> {
  const [ours, theirs] = FdSocket.pair();
  const monitor = ['-chardev', 'socket,id=monitor,fd=3', '-mon', 'chardev=monitor,mode=control'];
  const args = [...guestArguments(image, options.lifetimeSeconds), ...monitor, ...(options.arguments ?? [])];
  try {
    const child = await spawnQemu('qemu-system-x86_64', args, {
      nics: nics.map((nic) => ({ romfile: '', ...nic })),
      stdio: ['pipe', 'pipe', 'pipe', theirs.fd],
    });
    void theirs.close();
    const guest = await Guest.on(child, options);
    try {
      return { guest, qmp: await QmpClient.connect(ours) };
    } catch (error) {
      await guest.kill();
      throw error;
    }
  } catch (error) {
    await Promise.all([theirs.close(), ours.close()]);
    throw error;
  }
}

/** Boots a guest with these cards (`eth0`, `eth1`, … in the guest) and waits until it is ready for commands. */
export async function bootGuest(
  image: GuestImage,
  nics: readonly QemuNic[],
  options: GuestOptions = {},
): Promise<Guest> {
  const args = [...guestArguments(image, options.lifetimeSeconds), ...(options.arguments ?? [])];
  const { style = 'netdev' } = options;
  // The card's boot ROM is not needed here, and Debian packages it separately from QEMU.
  const cards = style === 'netdev' ? nics.map((nic) => ({ romfile: '', ...nic })) : nics;
  const child = await spawnQemu('qemu-system-x86_64', args, { nics: cards, style, stdio: 'pipe' });
  return Guest.on(child, options);
}

/** A running guest. `await using` or `shutdown()` ends it. */
export class Guest {
  readonly name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #kill = (): void => {
    this.#child.kill('SIGKILL');
  };
  readonly #console: GuestConsole;

  /** Takes a QEMU started with {@link guestArguments} and piped standard streams, and waits until it has booted. */
  static async on(child: ChildProcess, options: GuestOptions = {}): Promise<Guest> {
    if (!hasPipes(child)) throw new Error('the guest needs a QEMU with piped standard streams');
    const guest = new Guest(child, options.name ?? 'guest');
    try {
      await guest.#console.ready(options.bootTimeoutMs ?? 120_000);
    } catch (error) {
      await guest.kill();
      throw error;
    }
    return guest;
  }

  private constructor(child: ChildProcessWithoutNullStreams, name: string) {
    this.name = name;
    this.#child = child;
    this.#console = new GuestConsole(name, (text) => child.stdin.write(text));
    // A guest must not outlive the process that started it.
    process.once('exit', this.#kill);
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#console.add(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#console.addRemark(text));
    child.stdin.on('error', () => {}); // EPIPE: 'close' says why
    child.on('close', (code, signal) => {
      process.off('exit', this.#kill);
      this.#console.end(`the process of ${this.name} exited (${signal ?? `status ${code}`})`);
    });
  }

  /** QEMU's process. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Everything the guest has printed. */
  get console(): string {
    return this.#console.text;
  }

  /** Runs one line of shell in the guest: {@link GuestConsole.run}. */
  run(command: string, options: { timeoutMs?: number } = {}): Promise<GuestCommandResult> {
    return this.#console.run(command, options);
  }

  /** Like {@link run}, but a status other than 0 is an error. Returns the output. */
  must(command: string, options: { timeoutMs?: number } = {}): Promise<string> {
    return this.#console.must(command, options);
  }

  /** Restarts the guest and waits until it is back. QEMU must allow it: `set-action` overrides `-no-reboot`. */
  reboot(timeoutMs = 120_000): Promise<void> {
    return this.#console.reboot(timeoutMs);
  }

  /** Shuts the guest down and waits for QEMU to exit. */
  async shutdown(timeoutMs = 20_000): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      // This is a request: a guest that does not respond is killed.
      const timer = setTimeout(this.#kill, timeoutMs);
      this.#child.stdin.write('0 poweroff -f\n');
      await this.#untilEnd();
      clearTimeout(timer);
    }
    this.#console.end(`${this.name} was shut down`);
  }

  /** Kills QEMU. */
  async kill(): Promise<void> {
    this.#kill();
    await this.#untilEnd();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #untilEnd(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }
}

function hasPipes(child: ChildProcess): child is ChildProcessWithoutNullStreams {
  return child.stdin !== null && child.stdout !== null && child.stderr !== null;
}
