/** What a guest's card accepts, according to QEMU's `query-rx-filter`. */
import { notQmp } from './qmp/messages.js';

export interface RxFilter {
  /** The MAC that the guest has set on its card. */
  readonly mac: string;
  /** The guest has joined groups, as it always has with IPv4 or IPv6. */
  readonly wantsMulticast: boolean;
}

/** @throws TapfdError `ERR_TAPFD_QMP_PROTOCOL` if the answer is not what QEMU would send. */
export function rxFilterFrom(answer: unknown): RxFilter {
  const [first]: unknown[] = Array.isArray(answer) ? answer : [];
  const {
    'main-mac': mac,
    multicast,
    'multicast-table': groups,
  }: { 'main-mac'?: unknown; multicast?: unknown; 'multicast-table'?: unknown } = Object(first);
  if (typeof mac !== 'string') throw notQmp(JSON.stringify(answer));
  const hasGroups = Array.isArray(groups) && groups.length > 0;
  return { mac, wantsMulticast: multicast === 'all' || (multicast !== 'none' && hasGroups) };
}
