/** QEMU's descriptor sets (`add-fd`), and which of them belong to a card. */
import { checkedList, checkedNumber } from '../qmp/answers.js';
import { QmpError } from '../qmp/error.js';

/** One descriptor in a set, as `remove-fd` takes it. */
export interface FdsetEntry {
  readonly 'fdset-id': number;
  /** Its number in QEMU. */
  readonly fd: number;
}

/** The label of a call's sets, which says what they are for to whoever looks at QEMU's list of them. */
export function fdsetLabel(nameOfCall: string): string {
  return `tapfd ${nameOfCall}`;
}

/** Reads QEMU's answer to `add-fd`. */
export function fdsetEntry(answer: unknown): FdsetEntry {
  const { 'fdset-id': set, fd } = Object(answer);
  return { 'fdset-id': checkedNumber('add-fd', set), fd: checkedNumber('add-fd', fd) };
}

/** The descriptors with this label in QEMU's answer to `query-fdsets`. */
export function labelledSets(label: string, answer: unknown): FdsetEntry[] {
  return allEntries(answer)
    .filter(({ opaque }) => opaque === label)
    .map(({ entry }) => entry);
}

/**
 * The descriptors of the card whose backend has the numbers `backendFds`, in QEMU's answer to `query-fdsets`: all that
 * the call that added it has sent, thus those for vhost, too.
 */
export function setsOfBackend(backendFds: readonly number[], answer: unknown): FdsetEntry[] {
  const entries = allEntries(answer);
  const labels = entries.filter(({ entry }) => backendFds.includes(entry.fd)).map(({ opaque }) => opaque);
  return entries.filter(({ opaque }) => labels.includes(opaque)).map(({ entry }) => entry);
}

/** Whether there are sets of cards at all. */
export function hasSets(answer: unknown): boolean {
  return allEntries(answer).length > 0;
}

/**
 * Takes a descriptor out of its set. QEMU also refuses that when there is no such descriptor (any more).
 *
 * @param execute Sends a command to QEMU.
 */
export async function removeFromSet(
  execute: (command: string, args: object) => Promise<unknown>,
  entry: FdsetEntry,
): Promise<void> {
  try {
    await execute('remove-fd', entry);
  } catch (error) {
    if (!(error instanceof QmpError)) throw error;
    const left = allEntries(await execute('query-fdsets', {}));
    if (left.some((one) => one.entry['fdset-id'] === entry['fdset-id'] && one.entry.fd === entry.fd))
      throw error;
  }
}

/** Those of this library. */
function allEntries(answer: unknown): { entry: FdsetEntry; opaque: string }[] {
  return checkedList('query-fdsets', answer).flatMap((set) => {
    const { 'fdset-id': id, fds }: { 'fdset-id'?: unknown; fds?: unknown } = Object(set);
    return checkedList('query-fdsets', fds).flatMap((value) => {
      const { fd, opaque }: { fd?: unknown; opaque?: unknown } = Object(value);
      if (typeof opaque !== 'string' || !opaque.startsWith(fdsetLabel(''))) return [];
      const entry = {
        'fdset-id': checkedNumber('query-fdsets', id),
        fd: checkedNumber('query-fdsets', fd),
      };
      return [{ entry, opaque }];
    });
  });
}
