/** Links as the `ip` program describes them, to compare the library's description with. */
import type { Test } from 'tap';
import type { Link } from 'tapfd';
import type { IpLink, TestNamespace } from './namespace.js';

/** What `ip -d -j link` prints beyond the fields of IpLink. */
interface IpDetails extends IpLink {
  txqlen?: number;
  link_index?: number;
  link_netnsid?: number;
  ifalias?: string;
  num_tx_queues: number;
  num_rx_queues: number;
  promiscuity: number;
  linkinfo?: { info_kind?: string; info_slave_kind?: string; info_data?: Record<string, unknown> };
}

export async function ipLinks(ns: TestNamespace): Promise<IpDetails[]> {
  return JSON.parse(await ns.ip('-d', '-j', 'link'));
}

/** Checks that both describe a link alike. */
export function sameAsIp(t: Test, link: Link, all: IpDetails[]): void {
  const ip = all.find((one) => one.ifindex === link.index);
  if (!ip) {
    t.fail(`ip does not know ${link.name}`);
    return;
  }
  const indexOf = (name: string | undefined) => all.find((one) => one.ifname === name)?.ifindex;
  const mode = ip.linkinfo?.info_data?.mode;
  t.same(
    {
      name: link.name,
      kind: link.kind,
      portKind: link.portKind,
      mtu: link.mtu,
      up: link.up,
      running: link.running,
      loopback: link.loopback,
      allMulticast: link.allMulticast,
      promiscuous: link.promiscuous,
      operState: link.operState,
      master: link.master,
      lower: link.lower,
      lowerNetnsId: link.lowerNetnsId,
      txQueueLength: link.txQueueLength,
      txQueues: link.txQueues,
      rxQueues: link.rxQueues,
      alias: link.alias,
      mac: link.mac,
      mode: link.mode,
    },
    {
      name: ip.ifname,
      kind: ip.linkinfo?.info_kind,
      portKind: ip.linkinfo?.info_slave_kind,
      mtu: ip.mtu,
      up: ip.flags.includes('UP'),
      running: ip.flags.includes('UP') && ip.flags.includes('LOWER_UP'),
      loopback: ip.flags.includes('LOOPBACK'),
      allMulticast: ip.flags.includes('ALLMULTI'),
      promiscuous: ip.flags.includes('PROMISC'),
      operState: ip.operstate.toLowerCase(),
      master: indexOf(ip.master),
      lower: ip.link_index ?? indexOf(ip.link),
      lowerNetnsId: ip.link_netnsid,
      txQueueLength: ip.txqlen ?? 0,
      txQueues: ip.num_tx_queues,
      rxQueues: ip.num_rx_queues,
      alias: ip.ifalias ?? '',
      mac: ip.address,
      mode: mode,
    },
    link.name,
  );
}
