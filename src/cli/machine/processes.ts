/** What /proc shows of processes: who holds which device, and in which network namespaces they are. */
import { existsSync, readdirSync, readFileSync, readlinkSync, type Stats, statSync } from 'node:fs';

/** A process that has a descriptor of a device. */
export interface Holder {
  pid: number;
  /** Of the process, `/proc/PID/comm`. */
  command: string;
  fds: number[];
  /** How a guest was called (`qemu -name`), if it is one. */
  guest?: string;
}

/** A descriptor of a device, as far as /proc shows which. */
export interface HeldDescriptor {
  pid: number;
  fd: number;
  /** The link's name; on macvtap as sysfs has it. */
  name: string;
  /** Macvtap: index of the link, and number of its device. */
  macvtap?: { index: number; device: number };
  /** The network namespace of the process, which need not be that of the device. */
  netns: string | undefined;
}

/** A network namespace, and a path that leads to it. */
export interface NamespaceFile {
  /** Device and inode: two files of one namespace have the same. */
  key: string;
  path: string;
}

export interface Processes {
  descriptors: HeldDescriptor[];
  /** Namespaces that processes are in, or hold open; of each one file, with the process. */
  namespaces: (NamespaceFile & { pid: number })[];
  /** Processes that this user may not look into. */
  hidden: number;
}

/** The result of looking at something that may be gone by now, or closed to this user. */
export function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** Where a kernel shows its processes, and its devices. */
const PROC = '/proc';
const SYS = '/sys';

/** Looks at all processes that this user may inspect (proc(5), ptrace(2)). */
export function lookAtProcesses(proc = PROC, sys = SYS): Processes {
  const descriptors: HeldDescriptor[] = [];
  const namespaces = new Map<string, NamespaceFile & { pid: number }>();
  let hidden = 0;
  for (const pid of numbersIn(proc)) {
    const directory = `${proc}/${pid}`;
    const path = `${directory}/ns/net`;
    const netns = keyOf(path);
    if (netns !== undefined && !namespaces.has(netns)) namespaces.set(netns, { key: netns, path, pid });
    const fds = attempt(() => readdirSync(`${directory}/fd`).sort(byNumber));
    // One that has ended meanwhile hides nothing.
    if (fds === undefined && existsSync(directory)) hidden += 1;
    for (const fd of fds ?? []) {
      const file = `${directory}/fd/${fd}`;
      const target = attempt(() => readlinkSync(file)) ?? '';
      if (target.startsWith('net:[')) {
        const key = keyOf(file);
        if (key !== undefined && !namespaces.has(key)) namespaces.set(key, { key, path: file, pid });
      }
      const held = describeDescriptor(directory, fd, target, sys);
      if (held !== undefined) descriptors.push({ pid, fd: Number(fd), ...held, netns });
    }
  }
  return { descriptors, namespaces: [...namespaces.values()], hidden };
}

/** The key of the namespace behind a file. */
export function keyOf(path: string): string | undefined {
  const stat = attempt(() => statSync(path));
  return stat && keyIn(stat);
}

export function keyIn({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

/** Nodes that udev, mknod(1) or this library make: a file on a server that does not answer must not block this. */
const NODE_NAME = /\/[^/]*(tap|tun)[^/]*$/i;

/** Numbers as text: the same everywhere, in whatever order a runtime lists a directory. */
const byNumber = new Intl.Collator('en', { numeric: true }).compare;

function describeDescriptor(
  directory: string,
  fd: string,
  target: string,
  sys: string,
): Pick<HeldDescriptor, 'name' | 'macvtap'> | undefined {
  if (!NODE_NAME.test(target)) return undefined;
  const stat = attempt(() => statSync(`${directory}/fd/${fd}`));
  if (!stat?.isCharacterDevice()) return undefined;
  const info = attempt(() => readFileSync(`${directory}/fdinfo/${fd}`, 'utf8')) ?? '';
  // drivers/net/tun.c tun_chr_show_fdinfo
  const name = /^iff:\t(.*)$/m.exec(info)?.[1];
  if (name !== undefined) return { name };
  return macvtapBehind(stat, sys);
}

/** sysfs lists the nodes of all namespaces by number, each a link that ends in the names of link and node. */
function macvtapBehind({ rdev }: Stats, sys: string): Pick<HeldDescriptor, 'name' | 'macvtap'> | undefined {
  const { major, minor } = numbersOf(rdev);
  const target = attempt(() => readlinkSync(`${sys}/dev/char/${major}:${minor}`)) ?? '';
  const [, name, index] = /\/net\/([^/]+)\/macvtap\/tap(\d+)$/.exec(target) ?? [];
  return name === undefined ? undefined : { name, macvtap: { index: Number(index), device: rdev } };
}

/** `makedev()` of glibc, backwards. */
export function numbersOf(device: number): { major: number; minor: number } {
  const bits = BigInt(device);
  const major = ((bits >> 8n) & 0xfffn) | ((bits >> 32n) & 0xfffff000n);
  const minor = (bits & 0xffn) | ((bits >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}

/** `makedev()` of glibc. */
export function deviceOf(major: number, minor: number): number {
  const [high, low] = [BigInt(major), BigInt(minor)];
  const number =
    ((high & 0xfffn) << 8n) | ((high & 0xfffff000n) << 32n) | (low & 0xffn) | ((low & 0xffffff00n) << 12n);
  return Number(number);
}

function numbersIn(directory: string): number[] {
  return (attempt(() => readdirSync(directory)) ?? []).filter((name) => /^\d+$/.test(name)).map(Number);
}

/** Descriptors by process. */
export function holdersOf(descriptors: readonly HeldDescriptor[], proc = PROC): Holder[] {
  const holders = new Map<number, Holder>();
  for (const { pid, fd } of descriptors) {
    const known = holders.get(pid);
    if (known) known.fds.push(fd);
    else holders.set(pid, { pid, fds: [fd], command: commandOf(pid, proc), ...guestOf(pid, proc) });
  }
  return [...holders.values()];
}

export function commandOf(pid: number, proc = PROC): string {
  return attempt(() => readFileSync(`${proc}/${pid}/comm`, 'utf8').trimEnd()) ?? '?';
}

/** The name that QEMU was given: `-name web`, `-name guest=web,debug-threads=on`. */
function guestOf(pid: number, proc: string): { guest?: string } {
  if (!commandOf(pid, proc).startsWith('qemu')) return {};
  const words = (attempt(() => readFileSync(`${proc}/${pid}/cmdline`, 'utf8')) ?? '').split('\0');
  const position = words.findIndex((word) => word === '-name' || word === '--name');
  const text = words[position + 1];
  if (position === -1 || text === undefined) return {};
  // Its first item may be the name alone.
  const guest = (/(?:^|,)guest=([^,]+)/.exec(text) ?? /^([^,=]+)(?:,|$)/.exec(text))?.[1];
  return guest === undefined ? {} : { guest };
}
