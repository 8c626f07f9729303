/** What can be said of a device that other programs hold: its link, bridge, lower device, addresses and node. */
import type { DeviceKind } from '../base/native-queue.js';
import type { Link } from '../links/link.js';
import type { LinkAddress } from '../links/link-address.js';
import { diagnoseAddresses } from './addresses.js';
import { diagnoseSegment } from './bridge.js';
import type { Finding } from './finding.js';
import { stateFindings } from './link.js';
import { diagnoseMacvtapLink } from './macvtap.js';

/** What the checks examine. */
export interface OutsideView {
  kind: DeviceKind;
  link: Link;
  /** All links of its namespace by index. */
  links: ReadonlyMap<number, Link>;
  /** Of the link, or of its bridge. */
  addresses: readonly LinkAddress[];
  /** Macvtap: its device number, if it is known. */
  device: number | undefined;
}

/** Returns errors first. */
export async function diagnoseFromOutside(view: OutsideView): Promise<Finding[]> {
  const { kind, link, links, device } = view;
  const findings = [
    ...stateFindings(kind, link),
    ...(kind === 'tap' ? diagnoseSegment(link, links) : []),
    ...diagnoseAddresses(view),
    ...(kind === 'macvtap' ? await diagnoseMacvtapLink(link, links, device) : []),
  ];
  return findings.sort((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error'));
}
