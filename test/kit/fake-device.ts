/** A device without a kernel behind it, for what is decided from a device's facts alone. */
import type { Tap } from 'tapfd';
import { HAND_OVER, type HandOver } from '#lib/base/hand-over.js';

/** A fake, as the type that the library takes: it has all that `tapfd/qemu` asks of a Tap, and nothing else of one. */
export type FakeDevice = Fake & Tap;

/** Makes a device with these facts. */
export function fakeDevice(facts: { fd: number } & Record<string, unknown>): FakeDevice {
  return new Fake(facts) as FakeDevice;
}

class Fake {
  kind = 'tap';
  name = 'tap7';
  index = 7;
  mac: string | undefined = '02:00:00:aa:bb:cc';
  flags = { packetInfo: false, vnetHeader: false, detached: false };
  vnetHeaderBytes = 0;
  destroyed = false;
  /** What was asked of the device, in order. */
  readonly calls: string[] = [];
  /** What isAlive() does. */
  whenAsked: () => boolean = () => true;
  /** What else happens when it is suspended. */
  whenSuspended: () => void = () => {};
  #fd: number | undefined;

  constructor({ fd, ...facts }: { fd: number } & Record<string, unknown>) {
    Object.assign(this, facts);
    this.#fd = fd;
  }

  get fd(): number {
    return this.#fd ?? -1;
  }

  get handedOff(): boolean {
    return this.#fd === undefined;
  }

  async isAlive(): Promise<boolean> {
    this.calls.push('isAlive');
    return this.whenAsked();
  }

  get [HAND_OVER](): HandOver {
    return {
      suspend: () => {
        this.calls.push('suspend');
        this.whenSuspended();
      },
      resume: () => {
        this.calls.push('resume');
      },
      restoreSettings: async () => {
        this.calls.push('restoreSettings');
      },
      handOffWhenIdle: async () => {
        this.calls.push('handOff');
        return this.handOff();
      },
    };
  }

  handOff(): number {
    if (this.destroyed) throw new Error('closed');
    const { fd } = this;
    this.#fd = undefined;
    return fd;
  }

  async close(): Promise<void> {
    this.destroy();
  }

  destroy(): this {
    this.calls.push('destroy');
    this.destroyed = true;
    return this;
  }
}
