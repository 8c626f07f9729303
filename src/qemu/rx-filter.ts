/** What a guest's card accepts, according to QEMU's `query-rx-filter`. */
import { formatMac, parseMac } from '../links/mac.js';
import { checkedList, notWhatQemuSays } from './qmp/answers.js';

export interface RxFilter {
  /** The MAC that the guest has set on its card. */
  readonly mac: string;
  /** The guest has joined groups, as it always has with IPv4 or IPv6. */
  readonly wantsMulticast: boolean;
}

const MULTICAST: readonly unknown[] = ['all', 'none', 'normal'];
const COMMAND = 'query-rx-filter';

/** @throws TapfdError `ERR_TAPFD_QMP_PROTOCOL` if the answer is not what QEMU would send. */
export function rxFilterFrom(answer: unknown): RxFilter {
  const [first] = checkedList(COMMAND, answer);
  const {
    'main-mac': mac,
    multicast,
    'multicast-table': groups,
  }: { 'main-mac'?: unknown; multicast?: unknown; 'multicast-table'?: unknown } = Object(first);
  if (!MULTICAST.includes(multicast)) throw notWhatQemuSays(COMMAND, answer);
  const hasGroups = checkedList(COMMAND, groups).length > 0;
  return {
    mac: macFrom(mac),
    wantsMulticast: multicast === 'all' || (multicast !== 'none' && hasGroups),
  };
}

function macFrom(value: unknown): string {
  if (typeof value !== 'string') throw notWhatQemuSays(COMMAND, value);
  try {
    return formatMac(parseMac(value));
  } catch {
    throw notWhatQemuSays(COMMAND, value);
  }
}
