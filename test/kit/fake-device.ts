/** A device without a kernel behind it, for what is decided from a device's facts alone. */
import type { QemuNetworkDevice } from 'tapfd/qemu';

export class FakeDevice implements QemuNetworkDevice {
  kind: 'tap' | 'tun' | 'macvtap' = 'tap';
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
  #fd: number | undefined;

  constructor({ fd, ...facts }: Partial<Omit<FakeDevice, 'calls'>> & { fd: number }) {
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

  async restoreSettings(): Promise<void> {
    this.calls.push('restoreSettings');
  }

  suspendReading(): void {
    this.calls.push('suspendReading');
  }

  resumeReading(): void {
    this.calls.push('resumeReading');
  }

  async handOffWhenIdle(): Promise<number> {
    this.calls.push('handOff');
    if (this.destroyed) throw new Error('closed');
    const { fd } = this;
    this.#fd = undefined;
    return fd;
  }

  destroy(): void {
    this.calls.push('destroy');
    this.destroyed = true;
  }
}
