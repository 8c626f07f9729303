/** Frames as pcapng. */
import { capture } from '../../capture/index.js';
import type { FrameStream } from '../../index.js';
import type { DumpOptions } from './options.js';

/**
 * Writes what arrives until so many frames have come, or the device ends. What has arrived is written then.
 *
 * @param target - A file, or `-` for standard output.
 * @throws What ends the device or the writing.
 */
export async function writeCapture(
  device: FrameStream,
  target: string,
  { count = Number.POSITIVE_INFINITY, snaplen, ring }: DumpOptions,
): Promise<void> {
  let taken = 0;
  const written = await capture(device, target === '-' ? process.stdout : target, {
    snapLength: snaplen,
    ring,
    // Of a batch, those beyond the last.
    filter: () => {
      taken += 1;
      return taken <= count;
    },
  });
  const failed = written.finished.then(
    () => undefined,
    (error: Error) => device.destroy(error),
  );
  try {
    // To be read is all that frames need in order to be captured.
    for await (const _batch of device.batches()) if (taken >= count) break;
  } finally {
    await written.close().catch(() => undefined);
    await failed;
  }
  // The last of it may have failed after the last frame was read.
  await written.finished;
}
