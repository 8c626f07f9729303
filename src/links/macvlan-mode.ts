/** The modes of macvlan and macvtap links. */
import { checkOneOf } from '../base/checks.js';

/**
 * What a macvlan or macvtap link does with frames for its siblings on the same lower device: `bridge` delivers them
 * directly, `vepa` sends them out and expects a switch to send them back, `private` never lets them meet, `passthru`
 * has the lower device to itself, `source` takes only frames from listed MACs.
 */
export type MacvlanMode = 'bridge' | 'vepa' | 'private' | 'passthru' | 'source';

/** `linux/if_link.h` MACVLAN_MODE_*. */
const NUMBERS: Record<MacvlanMode, number> = { private: 1, vepa: 2, bridge: 4, passthru: 8, source: 16 };

const NAMES: readonly MacvlanMode[] = ['bridge', 'vepa', 'private', 'passthru', 'source'];

export function checkMacvlanMode(argument: string, value: unknown): MacvlanMode {
  return checkOneOf(argument, value, NAMES);
}

/** The kernel's number of a mode. */
export function macvlanModeNumber(mode: MacvlanMode): number {
  return NUMBERS[mode];
}

/** The mode that has this number. */
export function macvlanModeName(number: number | undefined): MacvlanMode | undefined {
  return NAMES.find((name) => NUMBERS[name] === number);
}
