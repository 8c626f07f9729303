/** What is behind EPERM and EACCES: a capability that the calling thread lacks, a mount without devices. */
import { readFileSync, realpathSync } from 'node:fs';

/** The bits of `linux/capability.h`. */
const BITS = {
  CAP_NET_ADMIN: 12n,
  CAP_SYS_PTRACE: 19n,
  CAP_SYS_ADMIN: 21n,
  CAP_MKNOD: 27n,
  CAP_BPF: 39n,
} as const;

export type Capability = keyof typeof BITS;

/** Whether the calling thread has it, in its own user namespace. */
export function hasCapability(capability: Capability): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/thread-self/status', 'utf8'))?.[1];
  return ((BigInt(`0x${effective}`) >> BITS[capability]) & 1n) === 1n;
}

/**
 * The remedy for a call that was refused because the capability is missing: undefined if it is not, because then the
 * cause is another. `otherwise` is a way that needs no privilege.
 */
export function capabilityRemedy(
  what: string,
  capability: Capability,
  otherwise?: string,
): string | undefined {
  if (hasCapability(capability)) return undefined;
  const remedy =
    process.geteuid?.() === 0
      ? `which this root does not have: give it to the container (docker: --cap-add=${capability.slice(4)})`
      : 'run as root';
  const separator = remedy.startsWith('which') ? ', ' : ': ';
  return `${what} needs ${capability}${separator}${remedy}${otherwise === undefined ? '' : `, or ${otherwise}`}`;
}

/** Whether device nodes there cannot be opened by anyone: the kernel answers EACCES, as for a missing permission. */
export function isOnNodevMount(path: string): boolean {
  const real = realpathSync(path);
  let longest = '';
  let options = '';
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    // proc_pid_mountinfo(5): the fifth field is the mount point, the sixth its options.
    const [, , , , escaped = '', own = ''] = line.split(' ');
    const point = escaped.replace(/\\([0-7]{3})/g, (_, code) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    const holds = real === point || real.startsWith(point.endsWith('/') ? point : `${point}/`);
    // Of two mounts at one point the later covers the earlier.
    if (holds && point.length >= longest.length) [longest, options] = [point, own];
  }
  return options.split(',').includes('nodev');
}
