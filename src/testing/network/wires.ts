/** Wires between the hosts of a test network. */
import type { Link } from '../../links/link.js';
import type { TestHost } from './host.js';
import { hasIpv6, type WireLink, type WireLinkOptions } from './options.js';
import { allowIpv6 } from './quiet.js';

/** A host on a wire, with the settings of its link. */
export interface WireEnd extends WireLinkOptions {
  /** The host. */
  host: TestHost;
}

export interface WirePlan {
  host: TestHost;
  link: WireLink;
}

/** @param name - Of the bridge, and the beginning of the names of its ports, if it needs one. */
export async function layWire(middle: TestHost, ends: readonly WirePlan[], name: string): Promise<Link[]> {
  const [one, other] = ends;
  if (ends.length > 2 || one.host === other.host) return layBridge(middle, ends, name);
  const first = await one.host.links.create({
    kind: 'veth',
    name: one.link.name,
    ...settingsOf(one),
    peer: { name: other.link.name, netns: other.host.netns, ...macOf(other) },
  });
  const peer = await peerOf(other.host, first);
  return [await finish(one, first.name), await finish(other, peer)];
}

async function layBridge(middle: TestHost, ends: readonly WirePlan[], name: string): Promise<Link[]> {
  await middle.bridge(name);
  const made: Link[] = [];
  for (const [place, end] of ends.entries()) {
    const port = `${name}p${place}`;
    const link = await end.host.links.create({
      kind: 'veth',
      name: end.link.name,
      ...settingsOf(end),
      peer: { name: port, netns: middle.netns },
    });
    await middle.links.set(port, { master: name, up: true, ...(end.link.mtu && { mtu: end.link.mtu }) });
    made.push(await finish(end, link.name));
  }
  return made;
}

const macOf = ({ link: { mac } }: WirePlan) => (mac === undefined ? {} : { mac });

function settingsOf(end: WirePlan) {
  const { mtu } = end.link;
  return mtu === undefined ? macOf(end) : { ...macOf(end), mtu };
}

/** The kernel has chosen the number in the name of the other end, which says whose it is. */
async function peerOf(host: TestHost, { index }: Link): Promise<string> {
  const all = await host.links.list({ kind: 'veth' });
  const newest = all.filter((link) => link.lower === index).sort((a, b) => b.index - a.index)[0];
  return newest.name;
}

async function finish({ host, link }: WirePlan, name: string): Promise<Link> {
  if (link.mtu !== undefined) await host.links.set(name, { mtu: link.mtu });
  if (hasIpv6(link.addresses)) await allowIpv6(host.netns, name);
  for (const address of link.addresses) await host.links.addAddress(name, address);
  await host.links.set(name, { up: true });
  return host.links.get(name);
}
