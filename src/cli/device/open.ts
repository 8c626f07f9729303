/** Opens the devices that a command line describes: all, or none. */
import {
  type FrameStream,
  type Macvtap,
  openMacvtap,
  openTap,
  openTun,
  randomMac,
  type Tap,
  type Tun,
} from '../../index.js';
import { UsageError } from '../terminal/failure.js';
import type { DeviceSpec } from './spec.js';

/** An open device with all its queues. */
export interface OpenDevice {
  device: Tap | Tun | Macvtap;
  queues: readonly FrameStream[];
  /** What a guest on it has to use; undefined on TUN. */
  guestMac: string | undefined;
}

/** How devices are opened. */
export interface Opening {
  /** Ends the opening and, later, the devices. */
  signal: AbortSignal;
  /** Called when a device is lost. */
  onLost: (error: Error) => void;
}

/** @throws The failure of the first that does not open, after those that had opened are closed again. */
export async function openDevices(specs: readonly DeviceSpec[], opening: Opening): Promise<OpenDevice[]> {
  const opened: OpenDevice[] = [];
  try {
    for (const spec of specs) opened.push(await openWithQueues(spec, opening));
    return opened;
  } catch (error) {
    await closeDevices(opened);
    throw error;
  }
}

export async function closeDevices(devices: readonly OpenDevice[]): Promise<void> {
  // The last queue of a macvtap that the command made removes the link: its siblings first.
  for (const { queues } of devices) {
    for (const queue of queues.toReversed()) await queue.close();
  }
}

async function openWithQueues(spec: DeviceSpec, opening: Opening): Promise<OpenDevice> {
  if (spec.queues < 1 || spec.queues > 256) throw new UsageError(`--${spec.kind} queues: 1 to 256`);
  const device = await openDevice(spec, opening);
  const queues: FrameStream[] = [device];
  try {
    while (queues.length < spec.queues) {
      queues.push((await device.openQueue({ signal: opening.signal })).on('error', opening.onLost));
    }
  } catch (error) {
    await closeDevices([{ device, queues, guestMac: undefined }]);
    throw error;
  }
  return { device, queues, guestMac: guestMacOf(spec, device) };
}

/** Opens one device for this process to read. */
export async function openDevice(
  spec: DeviceSpec,
  { signal, onLost }: Opening,
): Promise<Tap | Tun | Macvtap> {
  const { kind, open, guestMac, queues } = spec;
  const options = { ...open, signal, ...(queues > 1 && { multiQueue: true }) };
  const opened =
    kind === 'macvtap'
      ? openMacvtap({ ...options, guestMac })
      : kind === 'tap'
        ? openTap(options)
        : openTun(options);
  return (await opened).on('error', onLost);
}

/** The MAC of a TAP is the host's: a guest behind it needs another. That of a macvtap is the guest's. */
function guestMacOf({ guestMac }: DeviceSpec, device: Tap | Tun | Macvtap): string | undefined {
  if (device.kind === 'macvtap') return device.mac;
  return device.kind === 'tap' ? (guestMac ?? randomMac()) : undefined;
}
