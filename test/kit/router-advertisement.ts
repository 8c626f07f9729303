/** A router advertisement as a guest sends it, after the host's interface has its link-local address. */
import { encodeFrame } from 'tapfd/packets';

/** Of the prefix 2001:db8::/64 for autoconfiguration, with the sender as default router (RFC 4861). */
export function routerAdvertisement(from: string): Buffer {
  return encodeFrame({
    ethernet: { source: from, destination: '33:33:00:00:00:01' },
    ipv6: { source: 'fe80::ff:fe00:99', destination: 'ff02::1' },
    icmpv6: {
      type: 'router-advertisement',
      routerLifetime: 1800,
      options: [
        {
          type: 'prefix-information',
          prefix: '2001:db8::',
          prefixLength: 64,
          validLifetime: 86_400,
          preferredLifetime: 14_400,
        },
      ],
    },
  });
}
