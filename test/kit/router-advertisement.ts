/** A router advertisement as a guest sends it, after the host's interface has its link-local address. */
import { parseMac } from 'tapfd';

/** Of the prefix 2001:db8::/64 for autoconfiguration, with the sender as default router (RFC 4861). */
export function routerAdvertisement(from: string): Buffer {
  const source = Buffer.from('fe80000000000000000000fffe000099', 'hex');
  const destination = Buffer.from('ff020000000000000000000000000001', 'hex');
  const prefix = Buffer.from('20010db8000000000000000000000000', 'hex');
  const message = Buffer.concat([
    Buffer.from([134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0]),
    Buffer.from([3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0]),
    prefix,
  ]);
  const pseudoHeader = Buffer.concat([
    source,
    destination,
    Buffer.from([0, 0, 0, message.length, 0, 0, 0, 58]),
  ]);
  message.writeUInt16BE(checksum(Buffer.concat([pseudoHeader, message])), 2);
  const ip = Buffer.concat([Buffer.from([0x60, 0, 0, 0, 0, message.length, 58, 255]), source, destination]);
  const ethernet = Buffer.concat([parseMac('33:33:00:00:00:01'), parseMac(from), Buffer.from([0x86, 0xdd])]);
  return Buffer.concat([ethernet, ip, message]);
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let place = 0; place < bytes.length; place += 2) sum += bytes.readUInt16BE(place);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
