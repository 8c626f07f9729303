/** The inventory as JSON. Members may be added; those that are there keep their meaning. */
import type { Device, Inventory } from '../machine/inventory.js';

export function inventoryAsJson({ namespaces, devices, hidden }: Inventory): object {
  return {
    version: 1,
    namespaces: namespaces.map(({ label, path, own, problem }) => ({ label, path, own, problem })),
    devices: devices.map(deviceAsJson),
    hiddenProcesses: hidden,
  };
}

function deviceAsJson({
  namespace,
  kind,
  link,
  master,
  lower,
  node,
  holders,
  perhaps,
  findings,
}: Device): object {
  return {
    kind,
    name: link.name,
    index: link.index,
    namespace: namespace.label,
    namespacePath: namespace.path,
    mac: link.mac ?? null,
    mtu: link.mtu,
    up: link.up,
    carrier: link.carrier,
    flags: flagsOf(link),
    queues: queuesOf(link),
    ...(link.mode !== undefined && { mode: link.mode }),
    bridge: master?.name ?? null,
    lower: lower?.name ?? null,
    node: node ?? null,
    holders,
    possibleHolders: perhaps,
    findings,
  };
}

/** What is special about a device, in the words of the keys of `--tap`. */
export function flagsOf({ tun, allMulticast, promiscuous }: Device['link']): string[] {
  const flags = {
    persist: tun?.persist,
    'packet-info': tun?.packetInfo,
    'vnet-header': tun?.vnetHeader,
    'multi-queue': tun?.multiQueue,
    'all-multicast': allMulticast,
    promiscuous,
  };
  return Object.entries(flags).flatMap(([name, isSet]) => (isSet ? [name] : []));
}

/** Attached queues; null where the kernel does not count them: on macvtap, and on a device of one queue. */
export function queuesOf({ tun }: Device['link']): number | null {
  return tun?.multiQueue ? tun.queues : null;
}
