/**
 * Another host on a TAP, in 20 lines: it has the address 10.77.0.2, answers ARP, and sends back every ping.
 *
 *     node ping-responder.js      then, in another terminal: ping 10.77.0.2
 *
 * Needs root. Ctrl-C ends it and removes the TAP.
 */
import { openTap, randomMac } from 'tapfd';
import { decodeFrame, encodeFrame, replyTo, summarize } from 'tapfd/packets';

const ADDRESS = '10.77.0.2';
const mac = randomMac();

const tap = await openTap({ addresses: ['10.77.0.1/24'] });
console.log(`${tap.name} is up. Try: ping ${ADDRESS}`);

for await (const frame of tap) {
  const packet = decodeFrame(frame);
  const isArp = packet.arp?.targetAddress === ADDRESS;
  const isPing = packet.icmp?.type === 'echo-request' && packet.ipv4?.destination === ADDRESS;
  const reply = isArp || isPing ? replyTo(packet, { mac }) : undefined;
  if (reply === undefined) continue;
  console.log(summarize(packet));
  tap.write(encodeFrame(reply));
}
