/** What has changed between two samples. */
import type { DeviceSample, Direction, Sample } from './sample.js';

/** Per second. */
export interface Rate {
  frames: number;
  bits: number;
}

export interface DeviceRates {
  device: DeviceSample;
  toProgram: Rate;
  fromProgram: Rate;
  drops: number;
  /** Frames that wait for the program; undefined where the kernel does not tell. */
  queued: number | undefined;
}

/** Compares each sample with the one before. */
export class Rates {
  #previous: Sample;
  /** Of persistent devices the least that was seen unread: frames that went with an earlier program among them. */
  readonly #least = new Map<string, number>();

  constructor(first: Sample) {
    this.#previous = first;
    for (const device of first.devices) this.#queued(device);
  }

  next(sample: Sample): { seconds: number; devices: DeviceRates[] } {
    const previous = this.#previous;
    this.#previous = sample;
    const seconds = (sample.at - previous.at) / 1000;
    const before = new Map(previous.devices.map((device) => [device.key, device]));
    const devices = sample.devices.map((device): DeviceRates => {
      // One that is new has nothing to compare with: its rates begin with the next sample.
      const old = before.get(device.key) ?? device;
      return {
        device,
        toProgram: rateOf(old.toProgram, device.toProgram, seconds),
        fromProgram: rateOf(old.fromProgram, device.fromProgram, seconds),
        drops: Math.max(0, device.drops - old.drops) / seconds,
        queued: this.#queued(device),
      };
    });
    return { seconds, devices };
  }

  #queued({ key, unread, isPersistent, queueLength }: DeviceSample): number | undefined {
    if (unread === undefined) return undefined;
    const least = Math.min(unread, this.#least.get(key) ?? unread);
    if (isPersistent) this.#least.set(key, least);
    // The two counters are not read at the same moment.
    return Math.min(isPersistent ? unread - least : unread, queueLength);
  }
}

function rateOf(before: Direction, after: Direction, seconds: number): Rate {
  return {
    frames: Math.max(0, after.frames - before.frames) / seconds,
    bits: (Math.max(0, after.bytes - before.bytes) * 8) / seconds,
  };
}
