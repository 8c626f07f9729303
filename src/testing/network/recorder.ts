/** The traffic of a network's devices, kept for the case that the test fails. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type FrameDirection, OBSERVE } from '../../descriptor/observers.js';
import type { FrameStream } from '../../frames/stream.js';
import { saveOnFailure } from '../expect/failure-record.js';
import { RecentFrames } from '../expect/recent-frames.js';
import { saveTraffic, Traffic } from '../expect/traffic.js';

/** Of all devices together: the oldest frames go first. */
const MAX_BYTES = 32 * 1024 * 1024;

interface RecordedFrame {
  readonly traffic: Traffic;
  readonly frame: Buffer;
  readonly direction: FrameDirection;
  readonly timestamp: bigint;
}

export class Recorder {
  readonly #path: string;
  readonly #all: Traffic[] = [];
  readonly #frames = new RecentFrames<RecordedFrame>(MAX_BYTES);
  #saving: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** Records a device, and saves when an expectation of it fails. */
  add(device: FrameStream): void {
    const traffic = new Traffic(device);
    this.#all.push(traffic);
    device[OBSERVE]({
      frames: (direction, memory, spans, count) => {
        for (let i = 0; i < count; i++) {
          const at = spans[2 * i];
          this.#note(traffic, direction, memory.subarray(at, at + spans[2 * i + 1]));
        }
      },
      ended: () => undefined,
    });
    saveOnFailure(device, () => this.save());
  }

  /** Writes the file, over an earlier one. Returns its path. */
  async save(): Promise<string> {
    this.#saving = this.#saving.catch(() => undefined).then(() => this.#save());
    await this.#saving;
    return this.#path;
  }

  #note(traffic: Traffic, direction: FrameDirection, bytes: Uint8Array): void {
    const frame = Buffer.allocUnsafeSlow(bytes.length);
    frame.set(bytes);
    this.#frames.add({ traffic, frame, direction, timestamp: traffic.now() });
  }

  async #save(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true });
    const frames = [...this.#frames];
    for (const traffic of this.#all) {
      traffic.frames = frames.filter((frame) => frame.traffic === traffic);
    }
    await saveTraffic(this.#path, this.#all);
  }
}
