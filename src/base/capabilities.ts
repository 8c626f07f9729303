/** What the calling thread lacks when the kernel says EPERM. */
import { readFileSync } from 'node:fs';

/** The bits of `linux/capability.h`. */
const BITS = { CAP_NET_ADMIN: 12n, CAP_SYS_ADMIN: 21n, CAP_BPF: 39n } as const;

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
