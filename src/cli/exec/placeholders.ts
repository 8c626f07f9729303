/** Writes what the opened devices are into the arguments of the command. */
import { UsageError } from '../terminal/failure.js';

/** What a device's placeholders stand for. */
export interface DeviceFacts {
  /** The descriptors' numbers in the command, one for each queue. */
  fds: readonly number[];
  mac: string | undefined;
  name: string;
  index: number;
}

/** `{fd}`, `{fd:1}`, and what looks as if it should be one. Anything else in braces is the command's own. */
const PLACEHOLDER = /\{(fds|fd|mac|name|index)(?::([^{}]*))?\}/g;

/** Checks the placeholders of all arguments before anything is opened. @throws UsageError */
export function checkPlaceholders(args: readonly string[], kinds: readonly string[]): void {
  for (const arg of args) {
    for (const [whole, word, position] of arg.matchAll(PLACEHOLDER)) {
      const kind = kinds[positionOf(whole, position)];
      if (kind === undefined) {
        const range = kinds.length === 1 ? 'only device 0' : `devices 0 to ${kinds.length - 1}`;
        throw new UsageError(`${whole}: there is ${range}`);
      }
      if (word === 'mac' && kind === 'tun') throw new UsageError(`${whole}: a TUN has no MAC`);
    }
  }
}

/** The arguments with all placeholders replaced. */
export function fillIn(args: readonly string[], devices: readonly DeviceFacts[]): string[] {
  return args.map((arg) =>
    arg.replaceAll(PLACEHOLDER, (whole: string, word: string, position: string | undefined) => {
      const device = devices[positionOf(whole, position)];
      return device === undefined ? whole : factOf(device, word);
    }),
  );
}

function positionOf(whole: string, position: string | undefined): number {
  if (position === undefined) return 0;
  if (!/^\d{1,4}$/.test(position))
    throw new UsageError(`${whole}: the number of a device belongs behind the colon`);
  return Number(position);
}

function factOf(device: DeviceFacts, word: string): string {
  switch (word) {
    case 'fd':
      return String(device.fds[0]);
    case 'fds':
      return device.fds.join(':');
    case 'name':
      return device.name;
    case 'index':
      return String(device.index);
    default:
      return device.mac ?? '';
  }
}
