/** How the kernel makes the IPv6 addresses of a link. */
import { checkOneOf } from '../base/checks.js';

/**
 * `eui64` from the MAC, the kernel's default; `none` not at all; `stable-privacy` from the secret in the sysctl
 * `stable_secret` (RFC 7217), without which the kernel refuses it (`EINVAL`); `random` the same with a random secret.
 */
export type AddressGeneration = 'eui64' | 'none' | 'stable-privacy' | 'random';

/** In the order of `linux/if_link.h` IN6_ADDR_GEN_MODE_*. */
const NAMES: readonly AddressGeneration[] = ['eui64', 'none', 'stable-privacy', 'random'];

/** Returns the kernel's number of a mode. */
export function checkAddressGeneration(argument: string, value: unknown): number {
  return NAMES.indexOf(checkOneOf(argument, value, NAMES));
}

/** The mode with this number, if there is one. */
export function addressGenerationName(number: number | undefined): AddressGeneration | undefined {
  return number === undefined ? undefined : NAMES[number];
}
