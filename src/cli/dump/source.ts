/** The device that is dumped: one to open, one that is there, or a descriptor that was inherited. */
import { adoptFd, type FrameStream, links, openMacvtap, openTap, openTun } from '../../index.js';
import { openDevice } from '../device/open.js';
import { type DeviceText, parseDevice } from '../device/spec.js';
import { deviceKindOf } from '../machine/inventory.js';
import { EXIT } from '../terminal/exit-codes.js';
import { CommandError, UsageError } from '../terminal/failure.js';
import type { DumpOptions } from './options.js';

/** @returns What opens it: the command line is checked before. @throws UsageError */
export function sourceOf(
  texts: readonly DeviceText[],
  name: string | undefined,
  { fd }: DumpOptions,
): (signal: AbortSignal) => Promise<FrameStream> {
  const opens = [
    ...texts.map(openAs),
    ...(fd === undefined ? [] : [adopt(fd)]),
    ...(name === undefined ? [] : [attachTo(name)]),
  ];
  const [open, ...others] = opens;
  if (open === undefined || others.length > 0) {
    throw new UsageError('give one device: --tap, --tun, --macvtap, --fd, or the name of one that is there');
  }
  // What ends it is thrown by the loop that reads it.
  return async (signal) => (await open(signal)).on('error', ignore);
}

function ignore(): void {}

function openAs(text: DeviceText): (signal: AbortSignal) => Promise<FrameStream> {
  const spec = parseDevice(text, 'read-here');
  return (signal) => openDevice(spec, { signal, onLost: ignore });
}

function adopt(fd: number): (signal: AbortSignal) => Promise<FrameStream> {
  return (signal) => adoptFd(fd, { signal });
}

/** Opens a device that is there as it is, and changes nothing of it. */
function attachTo(name: string): (signal: AbortSignal) => Promise<FrameStream> {
  return async (signal) => {
    const link = await links.get(name);
    const kind = deviceKindOf(link);
    if (kind === undefined) {
      throw new CommandError(
        `${name} is no TUN, TAP or macvtap: its frames can be seen with tcpdump -i ${name}`,
        EXIT.failed,
      );
    }
    if (kind === 'macvtap') return openMacvtap({ name, up: false, signal });
    const options = {
      ...{ name, up: false, signal },
      packetInfo: link.tun?.packetInfo,
      vnetHeader: link.tun?.vnetHeader,
      multiQueue: link.tun?.multiQueue,
    };
    return kind === 'tap' ? openTap(options) : openTun(options);
  };
}
