/** Offloads by name, and the masks that TUNSETOFFLOAD takes. */
import { checkList, checkOneOf } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';

/**
 * What the kernel may leave to the reader of the descriptor: `csum` checksums, `tso4` and `tso6` TCP segmentation over
 * IPv4 and IPv6, `tso-ecn` the same with ECN bits set, `uso4` and `uso6` UDP segmentation (Linux 6.2).
 */
export type Offload = 'csum' | 'tso4' | 'tso6' | 'tso-ecn' | 'uso4' | 'uso6';

/** `linux/if_tun.h` TUN_F_*. */
const MASKS: Record<Offload, number> = {
  csum: 0x01,
  tso4: 0x02,
  tso6: 0x04,
  'tso-ecn': 0x08,
  uso4: 0x20,
  uso6: 0x40,
};

const NAMES: readonly Offload[] = ['csum', 'tso4', 'tso6', 'tso-ecn', 'uso4', 'uso6'];

/** The default with `segment`: everything, of which the kernel grants what it knows. */
export const ALL_OFFLOADS: readonly Offload[] = NAMES;

/** Checks a list of offloads for combinations that the kernel refuses as a whole (`drivers/net/tun.c` set_offload). */
export function checkOffload(argument: string, value: unknown): Offload[] {
  const list = checkList(argument, value, 'an array of offloads', (place, entry) =>
    checkOneOf(place, entry, NAMES),
  );
  const has = (name: Offload) => list.includes(name);
  if (list.length > 0 && !has('csum')) {
    throw invalidArgument(argument, 'a list with "csum", which every other offload needs', list.join(', '));
  }
  if (has('uso4') !== has('uso6')) {
    throw invalidArgument(argument, 'a list with both "uso4" and "uso6" or neither', list.join(', '));
  }
  if (has('tso-ecn') && !has('tso4') && !has('tso6')) {
    throw invalidArgument(argument, 'a list with "tso4" or "tso6" beside "tso-ecn"', list.join(', '));
  }
  return list;
}

/** The masks to try for a list, best first: kernels differ in USO and, for macvtap, in ECN. 0 is always granted. */
export function offloadMasks(list: readonly Offload[]): number[] {
  const whole = list.reduce((mask, name) => mask | MASKS[name], 0);
  const withoutUso = whole & ~(MASKS.uso4 | MASKS.uso6);
  const candidates = [
    whole,
    whole & ~MASKS['tso-ecn'],
    withoutUso,
    withoutUso & ~MASKS['tso-ecn'],
    whole & MASKS.csum,
    0,
  ];
  return [...new Set(candidates)];
}

/** The names of the offloads in a mask. */
export function offloadNames(mask: number): Offload[] {
  return NAMES.filter((name) => (mask & MASKS[name]) !== 0);
}
