/** Who saves the traffic of a device when a test fails: the network that it belongs to. */
import type { FrameStream } from '../../frames/stream.js';
import type { FrameExpectationError } from './expectation-error.js';

/** Saves, and returns where; undefined if nothing is to be saved. */
export type SaveTraffic = () => Promise<string | undefined>;

const savers = new WeakMap<FrameStream, SaveTraffic>();

export function saveOnFailure(device: FrameStream, save: SaveTraffic): void {
  savers.set(device, save);
}

/** Throws the error, when the traffic has been saved. A failure to save does not hide the error. */
export async function failWith(device: FrameStream, error: FrameExpectationError): Promise<never> {
  try {
    const path = await savers.get(device)?.();
    if (path !== undefined) error.noteSaved(path);
  } catch (failure) {
    error.noteUnsaved(failure);
  }
  throw error;
}
