/** The public form of an address of a link. */

import { ipText } from '../addresses/ip.js';
import type { NativeLinkAddress } from '../base/native-links.js';

/** `linux/if_addr.h`. */
const IFA_F_OPTIMISTIC = 0x04;
const IFA_F_DADFAILED = 0x08;
const IFA_F_DEPRECATED = 0x20;
const IFA_F_TENTATIVE = 0x40;
const IFA_F_PERMANENT = 0x80;

/** An address of a link as the kernel described it at one moment. */
export interface LinkAddress {
  /** Text in its shortest form: `10.0.0.1`, `fd00::1`. */
  readonly address: string;
  /** 0 to 32 or 128. */
  readonly prefixLength: number;
  /** IPv4 or IPv6. */
  readonly family: 4 | 6;
  /** The other end of a point-to-point link, whose network `prefixLength` is of. */
  readonly peer?: string;
  /** IPv4: the broadcast address of the network. */
  readonly broadcast?: string;
  /** Added without duplicate address detection. */
  readonly noDad: boolean;
  /** Duplicate address detection has not ended: the address cannot be used yet (an optimistic one can). */
  readonly tentative: boolean;
  /** Another host has the address: it is not used. */
  readonly dadFailed: boolean;
  /** Its preferred lifetime has ended: new connections use another address. */
  readonly deprecated: boolean;
  /** Set by an administrator, or by the kernel itself, and without a lifetime. */
  readonly permanent: boolean;
  /** The seconds it will still exist; absent: without end. */
  readonly validLifetimeSec?: number;
  /** The seconds until it is deprecated; absent: without end. */
  readonly preferredLifetimeSec?: number;
}

/** What can be read, but not set. */
export const LINK_ADDRESS_FACTS = ['family', 'tentative', 'dadFailed', 'deprecated', 'permanent'];

/** Turns what the addon read into the public form. */
export function linkAddressFromNative(native: NativeLinkAddress): LinkAddress {
  const { address, prefixLength, noDad, peer, broadcast, flags } = native;
  const { validLifetimeSec, preferredLifetimeSec } = native;
  return {
    address: ipText(address),
    prefixLength,
    family: address.length === 4 ? 4 : 6,
    ...(peer && { peer: ipText(peer) }),
    ...(broadcast && { broadcast: ipText(broadcast) }),
    noDad,
    tentative: (flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) === IFA_F_TENTATIVE,
    dadFailed: (flags & IFA_F_DADFAILED) !== 0,
    deprecated: (flags & IFA_F_DEPRECATED) !== 0,
    permanent: (flags & IFA_F_PERMANENT) !== 0,
    ...(validLifetimeSec !== undefined && { validLifetimeSec }),
    ...(preferredLifetimeSec !== undefined && { preferredLifetimeSec }),
  };
}
