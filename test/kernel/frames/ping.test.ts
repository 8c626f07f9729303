/** JavaScript on one end, the kernel's ping on the other. */

import t from 'tap';
import { openMacvtap, openTap, openTun } from 'tapfd';
import { answerFrame, answerPacket, type Host } from '../../kit/answers.js';
import { fileNeeds } from '../../kit/capabilities.js';
import { ownNamespace, vethPair } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const HOST: Host = { mac: '02:00:00:00:00:02', ipv4: '10.9.0.2', ipv6: 'fd00::2' };
const NO_DAD = { address: 'fd00::1', prefixLength: 64, noDad: true };

t.test('TUN: the kernel pings JavaScript over IPv4 and IPv6', async (t) => {
  const ns = await ownNamespace(t);
  const tun = await openTun({ netns: ns.name, addresses: ['10.9.0.1/24', NO_DAD] });
  t.teardown(() => tun[Symbol.asyncDispose]());
  tun.on('data', (packet: Buffer) => {
    const reply = answerPacket(packet);
    if (reply) tun.write(reply);
  });
  t.equal(await ns.ping('10.9.0.2', 3), 3);
  t.equal(await ns.ping('fd00::2', 3), 3);
});

t.test('TAP: the kernel resolves and pings JavaScript over IPv4 and IPv6', async (t) => {
  const ns = await ownNamespace(t);
  const tap = await openTap({ netns: ns.name, addresses: ['10.9.0.1/24', NO_DAD] });
  t.teardown(() => tap[Symbol.asyncDispose]());
  tap.on('data', (frame: Buffer) => {
    const reply = answerFrame(frame, HOST);
    if (reply) tap.write(reply);
  });
  t.equal(await ns.ping('10.9.0.2', 3), 3);
  t.equal(await ns.ping('fd00::2', 3), 3);
  t.match(await ns.ip('neigh', 'show', '10.9.0.2'), '02:00:00:00:00:02');
});

t.test('macvtap: the kernel at the other end of the wire pings JavaScript', async (t) => {
  const host = await ownNamespace(t);
  const peer = await ownNamespace(t);
  await vethPair(host, 'lower', peer, 'wire');
  await peer.ip('address', 'add', '10.9.0.1/24', 'dev', 'wire');
  await peer.ip('address', 'add', 'fd00::1/64', 'dev', 'wire', 'nodad');
  const macvtap = await openMacvtap({
    netns: host.name,
    lower: 'lower',
    guestMac: HOST.mac,
    allMulticast: true,
  });
  t.teardown(() => macvtap[Symbol.asyncDispose]());
  macvtap.on('data', (frame: Buffer) => {
    const reply = answerFrame(frame, HOST);
    if (reply) macvtap.write(reply);
  });
  t.equal(await peer.ping('10.9.0.2', 3), 3);
  t.equal(await peer.ping('fd00::2', 3), 3);
});
