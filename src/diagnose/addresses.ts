/** Addresses at which the host does not answer, or from which it no longer speaks. */

import type { LinkAddress } from '../links/link-address.js';
import type { Finding } from './finding.js';
import { hostLink, type Surroundings } from './surroundings.js';

export function* diagnoseAddresses({
  link,
  links,
  addresses,
}: Pick<Surroundings, 'link' | 'links' | 'addresses'>): Generator<Finding> {
  if (links === undefined) return;
  const { name, up } = hostLink(link, links);
  // While it is down, nothing can be said of its addresses.
  for (const address of up ? addresses : []) {
    const finding = findingOf(name, address);
    if (finding) yield { severity: 'warning', interface: name, ...finding };
  }
}

function findingOf(
  name: string,
  { address, prefixLength, dadFailed, tentative, deprecated }: LinkAddress,
): Pick<Finding, 'code' | 'message' | 'remedy'> | undefined {
  const text = `${address}/${prefixLength}`;
  if (dadFailed) {
    return {
      code: 'address-duplicate',
      message: `somebody else beyond ${name} has the address ${text}: the host does not use it`,
      remedy: `find out who, or take another; to try again, links.removeAddress('${name}', '${text}') and add it again`,
    };
  }
  // The kernel gives each link one of these, and is busy with it for a while after each opening.
  if (isLinkLocal(address)) return undefined;
  if (tentative) {
    return {
      code: 'address-tentative',
      message: `the host does not use the address ${text} of ${name} yet: it asks first whether somebody else has it`,
      remedy:
        'wait a second or two (longer without carrier), or add it with noDad: true if it is certainly free',
    };
  }
  if (!deprecated) return undefined;
  return {
    code: 'address-deprecated',
    message: `the address ${text} of ${name} is deprecated: new connections come from another one`,
    remedy: `links.removeAddress('${name}', '${text}') and add it again with a longer preferredLifetimeSec`,
  };
}

/** RFC 4291, 2.5.6: fe80::/10. */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab][0-9a-f]:/.test(address);
}
