/** The modes of macvlan and macvtap links. */
import { checkOneOf } from '../base/checks.js';

/**
 * How macvlan and macvtap links on one lower device reach each other: `bridge` delivers their frames directly, `vepa`
 * sends them out and relies on a switch to send them back, `private` keeps the links apart, `passthru` uses the lower
 * device exclusively, `source` receives only frames from listed MACs.
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

/** The mode with this number, if there is one. */
export function macvlanModeName(number: number | undefined): MacvlanMode | undefined {
  return NAMES.find((name) => NUMBERS[name] === number);
}
