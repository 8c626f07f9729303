/**
 * A guest inside this process: v86, a PC emulator in JavaScript and WebAssembly, whose network card is connected to any
 * object-mode Duplex of frames. What the guest sends is written to the device; what is read from it goes to the guest.
 */
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { FrameStream } from 'tapfd';
import { V86, type V86Image as V86File, type V86Options } from 'v86';
import { type GuestCommandResult, GuestConsole } from './guest-console.ts';

// v86's network documentation describes the bus, but its types omit it.
declare module 'v86' {
  interface V86 {
    readonly bus: { send(event: 'net0-receive', frame: Uint8Array): void };
  }
  interface Event {
    'net0-mac': string;
  }
}

/** The files that `scripts/guest/v86-image.mjs` fetches. */
export interface V86Image {
  bios: string;
  vgaBios: string;
  kernel: string;
  initramfs: string;
  /** The machine's state after booting is saved here. Later runs start from it, in 2 s instead of 25. */
  state: string;
}

/** The machine, except for its files. A saved state fits only a machine with the same options. */
export const V86_MACHINE = {
  // v86 puts the initramfs at 64 MiB.
  memory_size: 128 * 1024 * 1024,
  vga_memory_size: 1024 * 1024,
  net_device: { type: 'virtio' },
  preserve_mac_from_state_image: true,
  disable_speaker: true,
  // Crypto self-tests and the search for ISA cards would take a third of the boot. The machine ends with its process.
  cmdline: 'console=ttyS0 quiet panic=-1 mitigations=off cryptomgr.notests noisapnp tapfd.lifetime=100000000',
} satisfies V86Options;

/** A running guest. `await using` or `stop()` ends it. */
export class V86Guest {
  /** Frames dropped because the device's queue was full, as a network card does. */
  dropped = 0;
  readonly #emulator: V86;
  readonly #device: FrameStream;
  readonly #console: GuestConsole;
  readonly #receive = (frame: Buffer): void => this.#emulator.bus.send('net0-receive', frame);
  #mac = '';

  /**
   * Starts the machine with its card on `device`, boots it or resumes from the saved state, and waits until it is ready
   * for commands. The card is down until {@link bringUp}.
   */
  static async boot(image: V86Image, device: FrameStream, timeoutMs = 240_000): Promise<V86Guest> {
    const saved = existsSync(image.state);
    const file = async (path: string): Promise<V86File> => ({ buffer: arrayBuffer(await readFile(path)) });
    const emulator = new V86({
      ...V86_MACHINE,
      wasm_path: fileURLToPath(import.meta.resolve('v86').replace('libv86.mjs', 'v86.wasm')),
      autostart: true,
      ...(saved
        ? { initial_state: await file(image.state) }
        : {
            bios: await file(image.bios),
            vga_bios: await file(image.vgaBios),
            bzimage: await file(image.kernel),
            initrd: await file(image.initramfs),
          }),
    });
    const guest = new V86Guest(emulator, device);
    try {
      if (saved) await new Promise<void>((resolve) => emulator.add_listener('emulator-loaded', resolve));
      else await guest.#console.ready(timeoutMs);
      if (!saved) await guest.#save(image.state);
    } catch (error) {
      await guest.stop();
      throw error;
    }
    return guest;
  }

  private constructor(emulator: V86, device: FrameStream) {
    this.#emulator = emulator;
    this.#device = device;
    this.#console = new GuestConsole('v86', (text) => emulator.serial0_send(text));
    emulator.add_listener('serial0-output-byte', (byte) => this.#console.add(String.fromCharCode(byte)));
    emulator.add_listener('net0-mac', (mac) => {
      this.#mac = mac;
    });
    emulator.add_listener('net0-send', (frame) => this.#send(frame));
  }

  /** The MAC of the card. */
  get mac(): string {
    return this.#mac;
  }

  /** Sets the card's MAC and address and brings it up. Until then, frames for the guest wait in the device. */
  async bringUp(card: { mac: string; address: string }): Promise<void> {
    await this.must(
      `ip link set eth0 address ${card.mac}; ip address add ${card.address} dev eth0; ip link set eth0 up`,
    );
    // Before the guest has loaded its driver, a frame could crash the emulator; before the card is up, it would be lost.
    this.#device.on('data', this.#receive);
  }

  /** Everything the guest has printed since this process started it. */
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

  /** Turns the machine off. The device still belongs to the caller. */
  async stop(): Promise<void> {
    this.#device.off('data', this.#receive);
    this.#console.end('v86 was stopped');
    await this.#emulator.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #send(frame: Uint8Array): void {
    // The guest cannot be made to wait, and an unbounded queue would use up the memory.
    if (this.#device.writableNeedDrain) this.dropped += 1;
    // A queued frame must not change, but with some of v86's cards it is in the guest's memory, so copy it.
    else this.#device.write(Buffer.from(frame), () => {});
  }

  async #save(path: string): Promise<void> {
    const state = await this.#emulator.save_state();
    await writeFile(`${path}.${process.pid}`, new Uint8Array(state));
    await rename(`${path}.${process.pid}`, path);
  }
}

/** v86 needs the memory itself, not a view of it. */
function arrayBuffer(bytes: Buffer): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  return copy;
}
