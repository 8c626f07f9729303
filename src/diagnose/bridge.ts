/** What stops frames between a TAP and those it talks to: in its bridge, or in the host's own use of the link. */
import { shellWord } from '../base/remedies.js';
import type { BridgePort, Link } from '../links/link.js';
import type { Finding } from './finding.js';
import { hostLink } from './surroundings.js';

export function* diagnoseSegment(link: Link, links: ReadonlyMap<number, Link>): Generator<Finding> {
  const bridge = hostLink(link, links);
  yield* arpFindings(bridge);
  if (bridge === link) return;
  const ports = [...links.values()].filter(({ master }) => master === bridge.index);
  yield* stateFindings(link, bridge);
  yield* wayOnFindings(
    link,
    bridge,
    ports.filter(({ index }) => index !== link.index),
  );
  yield* portFindings(link, bridge, ports.filter(passes));
  // What is down neither sends nor gets a frame, however long.
  yield* mtuFindings(
    bridge,
    ports.filter(({ up }) => up),
  );
}

function* arpFindings({ name, arp }: Link): Generator<Finding> {
  if (arp) return;
  yield {
    code: 'arp-off',
    severity: 'warning',
    interface: name,
    message: `ARP is off on ${name}: the host finds no neighbours there and does not answer those who look for it`,
    remedy: `ip link set ${shellWord(name)} arp on`,
  };
}

function* stateFindings(link: Link, bridge: Link): Generator<Finding> {
  if (!bridge.up) {
    yield {
      code: 'bridge-down',
      severity: 'error',
      interface: bridge.name,
      message: `${link.name} is a port of ${bridge.name}, which is down and forwards nothing`,
      remedy: `set it up: links.set('${bridge.name}', { up: true })`,
    };
  } else if (link.up && link.carrier && !isForwarding(link)) {
    yield {
      code: 'port-not-forwarding',
      severity: 'error',
      interface: link.name,
      message: `the spanning tree of ${bridge.name} has its port ${link.name} in state ${link.bridgePort?.state}: it passes no frames`,
      remedy:
        `wait until it forwards, which takes twice the forward delay of ${bridge.name} (15 s unless it was changed), ` +
        'or find the loop that it breaks; a bridge that can have none needs no spanning tree',
    };
  }
}

/** Kinds of links that lead to one guest, container or program. Any other port of a bridge leads out of it. */
const LEAVES: ReadonlySet<string | undefined> = new Set(['tun', 'veth', 'macvtap', 'dummy']);

/** The way out if there is one, otherwise the neighbours. */
function* wayOnFindings(link: Link, bridge: Link, others: readonly Link[]): Generator<Finding> {
  const uplinks = others.filter(({ kind }) => !LEAVES.has(kind));
  const ways = uplinks.length > 0 ? uplinks : others;
  if (!bridge.up || ways.some(passes)) return;
  for (const port of ways) {
    yield {
      code: 'port-down',
      severity: 'warning',
      interface: port.name,
      message: `${port.name} ${whyNot(port)}: ${link.name} reaches nobody through that port of ${bridge.name}`,
      remedy: port.up
        ? 'connect its cable; if it is a veth, set the other end up; if it is a TAP, start the program behind it'
        : `set it up: links.set('${port.name}', { up: true })`,
    };
  }
}

function whyNot(port: Link): string {
  if (!port.up) return 'is down';
  return port.carrier ? `is in state ${port.bridgePort?.state}` : 'has no carrier';
}

function passes(port: Link): boolean {
  return port.up && port.carrier && isForwarding(port);
}

function isForwarding({ bridgePort }: Link): boolean {
  return bridgePort?.state === 'forwarding';
}

const FLOODS = {
  unicastFlood: 'MACs that it has not learned',
  multicastFlood: 'groups that nobody has joined',
  broadcastFlood: 'all (broadcasts)',
} as const satisfies Partial<Record<keyof BridgePort, string>>;

/** The settings that a bridge has for each of its ports. */
function* portFindings(link: Link, bridge: Link, ports: readonly Link[]): Generator<Finding> {
  const isolated = ports.filter(({ bridgePort }) => bridgePort?.isolated);
  if (isolated.length > 1 && isolated.some(({ index }) => index === link.index)) {
    const others = isolated.filter(({ index }) => index !== link.index).map(({ name }) => name);
    yield {
      code: 'port-isolated',
      severity: 'warning',
      interface: link.name,
      message: `${bridge.name} passes no frames between ${link.name} and ${others.join(', ')}: these ports are isolated`,
      remedy: `if that is not intended: bridge link set dev ${shellWord(link.name)} isolated off`,
    };
  }
  for (const { name, bridgePort } of ports) {
    const off = FLOOD_NAMES.filter((flood) => bridgePort?.[flood] === false).map((flood) => FLOODS[flood]);
    if (off.length === 0) continue;
    yield {
      code: 'flooding-off',
      severity: 'warning',
      interface: name,
      message: `flooding is off at the port ${name} of ${bridge.name}: frames to ${off.join(', and to ')} do not leave there`,
      remedy: `if that is not intended: bridge link set dev ${shellWord(name)} flood on mcast_flood on bcast_flood on`,
    };
  }
}

const FLOOD_NAMES = ['unicastFlood', 'multicastFlood', 'broadcastFlood'] as const;

function* mtuFindings(bridge: Link, ports: readonly Link[]): Generator<Finding> {
  const [first] = ports;
  if (first === undefined) return;
  const smallest = ports.reduce((a, b) => (b.mtu < a.mtu ? b : a), first);
  const largest = ports.reduce((a, b) => (b.mtu > a.mtu ? b : a), first);
  const one = `the MTU of ${smallest.name} is ${smallest.mtu}`;
  if (smallest.mtu < largest.mtu) {
    const lowers =
      bridge.mtu === smallest.mtu ? `, and with it ${bridge.name} itself has only ${bridge.mtu}` : '';
    yield {
      code: 'mtu',
      severity: 'warning',
      interface: smallest.name,
      message:
        `${one}, that of ${largest.name} in the same bridge ${largest.mtu}: ` +
        `${bridge.name} drops packets that are too long for ${smallest.name}${lowers}`,
      remedy: `give all ports of ${bridge.name} the same MTU, and the hosts behind them no larger one`,
    };
  }
  if (smallest.mtu < bridge.mtu) {
    yield {
      code: 'mtu',
      severity: 'warning',
      interface: bridge.name,
      message: `${one}, that of its bridge ${bridge.name} ${bridge.mtu}: longer packets that the host sends do not leave there`,
      remedy: `links.set('${bridge.name}', { mtu: ${smallest.mtu} }), or give all its ports ${bridge.mtu}`,
    };
  }
}
