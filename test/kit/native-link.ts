import type { NativeLink } from '#lib/base/native-links.js';

/** A link as the addon describes it, without a kernel behind it. */
export function nativeLink(index: number, changes: Partial<NativeLink> = {}): NativeLink {
  return {
    index,
    name: `eth${index}`,
    alternativeNames: [],
    kind: 'veth',
    portKind: '',
    mac: `02:00:00:00:00:0${index}`,
    mtu: 1500,
    flags: 1,
    operState: 6,
    carrier: true,
    master: 0,
    lower: 0,
    txQueueLength: 1000,
    txQueues: 1,
    rxQueues: 1,
    alias: '',
    stats: {
      rxPackets: 0,
      txPackets: 0,
      rxBytes: 0,
      txBytes: 0,
      rxErrors: 0,
      txErrors: 0,
      rxDropped: 0,
      txDropped: 0,
      multicast: 0,
    },
    ...changes,
  };
}
