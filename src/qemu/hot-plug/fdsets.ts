/** QEMU's descriptor sets (`add-fd`), and which of them belong to a card. */

/** One descriptor in a set, as `remove-fd` takes it. */
export interface FdsetEntry {
  readonly 'fdset-id': number;
  /** Its number in QEMU. */
  readonly fd: number;
}

/** The label of a card's sets, by which another connection finds them, too. */
export function fdsetLabel(netdevId: string): string {
  return `tapfd ${netdevId}`;
}

/** Reads QEMU's answer to `add-fd`. */
export function fdsetEntry(answer: unknown): FdsetEntry {
  const { 'fdset-id': set, fd } = Object(answer);
  return { 'fdset-id': Number(set), fd: Number(fd) };
}

/** The card's descriptors in QEMU's answer to `query-fdsets`. */
export function fdsetsOf(netdevId: string, answer: unknown): FdsetEntry[] {
  const sets: unknown[] = Array.isArray(answer) ? answer : [];
  return sets.flatMap((set) => {
    const { 'fdset-id': id, fds } = Object(set);
    const entries: unknown[] = Array.isArray(fds) ? fds : [];
    return entries
      .filter((entry) => Object(entry).opaque === fdsetLabel(netdevId))
      .map((entry) => ({ 'fdset-id': Number(id), fd: Number(Object(entry).fd) }));
  });
}
