/** What the kernel sends of its own accord wherever IPv6 is on, and no test means. */
import type { Icmpv6Type, Packet } from '../../packets/index.js';
import type { Matcher } from './match.js';

/** RFC 2710, 3810: multicast listener discovery. RFC 4861: neighbour discovery. */
const NOISE: ReadonlySet<Icmpv6Type | number> = new Set<Icmpv6Type>([
  'multicast-listener-query',
  'multicast-listener-report',
  'multicast-listener-done',
  'multicast-listener-report-v2',
  'router-solicitation',
  'router-advertisement',
  'neighbor-solicitation',
  'neighbor-advertisement',
  'redirect',
]);

export function isNoise({ icmpv6 }: Packet): boolean {
  return icmpv6 !== undefined && NOISE.has(icmpv6.type);
}

/** Whether a test that expects this sees noise. */
export function seesNoise({ names }: Matcher, noise: boolean): boolean {
  return noise || names.includes('icmpv6');
}
