/** src/cli/dump/: `tapfd dump`: frames of a device as text or pcapng. On top of device, machine, capture and packets. */
import { once } from 'node:events';
import type { FrameStream } from '../../index.js';
import type { DeviceText } from '../device/spec.js';
import { untilEnded } from '../terminal/ending.js';
import { EXIT } from '../terminal/exit-codes.js';
import { UsageError } from '../terminal/failure.js';
import { printable } from '../terminal/text.js';
import { FrameLines } from './lines.js';
import type { DumpOptions } from './options.js';
import { sourceOf } from './source.js';
import { writeCapture } from './write.js';

export async function dump(
  texts: readonly DeviceText[],
  name: string | undefined,
  options: DumpOptions,
): Promise<number> {
  const open = sourceOf(texts, name, options);
  checkTarget(options);
  const { signal, forget } = untilEnded();
  try {
    const device = await open(signal);
    try {
      if (!options.quiet) await announce(device);
      await (options.write === undefined
        ? printFrames(device, options)
        : writeCapture(device, options.write, options));
    } catch (error) {
      // A device that went before the reading began is merely closed by then: what closed it is of interest.
      throw device.errored ?? error;
    } finally {
      if (!options.quiet) sayCounts(device);
      await device.close();
    }
  } catch (error) {
    // Somebody has ended it: what was seen by then is written, unless the writing failed.
    if (!signal.aborted || !isAbort(error)) throw error;
  } finally {
    forget();
  }
  return EXIT.ok;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function checkTarget({ write, ring, json }: DumpOptions): void {
  if (json && write !== undefined)
    throw new UsageError('--json prints frames, -w writes them: give one of them');
  if (ring !== undefined && (write === undefined || write === '-')) {
    throw new UsageError('--ring goes with -w FILE');
  }
  if (write === '-' && process.stdout.isTTY) {
    throw new UsageError('-w -: pcapng is nothing for a terminal; write it to a file, or into a pipe');
  }
}

/** What is dumped, and what keeps frames from arriving. */
async function announce(device: FrameStream): Promise<void> {
  const mac = device.mac === undefined ? '' : `, MAC ${device.mac}`;
  process.stderr.write(`tapfd dump: ${device.kind} ${printable(device.name)}${mac}; Ctrl-C ends it\n`);
  for (const { severity, message } of await device.diagnose()) {
    process.stderr.write(`tapfd dump: ${severity}: ${printable(message)}\n`);
  }
}

function sayCounts({ stats }: FrameStream): void {
  const { frames, bytes, drops } = stats.received;
  const lost = Object.entries(drops).map(([reason, count]) => `, ${count} lost (${reason})`);
  process.stderr.write(`tapfd dump: ${frames} frames, ${bytes} bytes${lost.join('')}\n`);
}

async function printFrames(
  device: FrameStream,
  { count = Number.POSITIVE_INFINITY, snaplen, json }: DumpOptions,
) {
  const lines = new FrameLines(device, snaplen);
  let printed = 0;
  for await (const batch of device.batches()) {
    const time = new Date();
    const frames = [...batch].slice(0, count - printed);
    printed += frames.length;
    const text = frames
      .map((frame) => `${json ? lines.json(frame, time) : lines.text(frame, time)}\n`)
      .join('');
    // A reader that is slow stops the reading: the kernel counts what it has to drop.
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
    if (printed >= count) break;
  }
}
