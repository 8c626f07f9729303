/** What stops frames of a macvtap; docs/macvtap.md explains each case. */
import { stat } from 'node:fs/promises';
import type { Link } from '../links/link.js';
import { formatMac } from '../links/mac.js';
import type { MacvlanMode } from '../links/macvlan-mode.js';
import type { Finding } from './finding.js';
import type { Surroundings } from './surroundings.js';

export async function diagnoseMacvtap({ device, link, links, others }: Surroundings): Promise<Finding[]> {
  const mac = macFindings(link, device.settings.guestMac);
  if (links === undefined) return [movedAway(link), ...mac];
  return [...mac, ...(await diagnoseMacvtapLink(link, links, others.device))];
}

/** What stops frames of any descriptor of this macvtap, whose device number is `device` (undefined: not known). */
export async function diagnoseMacvtapLink(
  link: Link,
  links: ReadonlyMap<number, Link>,
  device: number | undefined,
): Promise<Finding[]> {
  // Of a lower device in another namespace only the carrier is visible, which is also the link's.
  /* c8 ignore next -- a macvtap always has a lower device; only the types allow for none */
  const lower = link.lowerNetnsId === undefined ? links.get(link.lower ?? 0) : undefined;
  return [
    ...lowerFindings(link, lower),
    ...modeFindings(link),
    ...multicastFindings(link),
    ...(device === undefined ? [] : await nodeFindings(link, device)),
  ];
}

function movedAway({ name }: Link): Finding {
  return {
    code: 'moved-away',
    severity: 'warning',
    interface: name,
    message: `${name} has moved to another network namespace, where its state and its lower device are not visible`,
    remedy: 'diagnose a device opened there: openMacvtap({ name, netns })',
  };
}

function* lowerFindings(link: Link, lower: Link | undefined): Generator<Finding> {
  if (lower && !lower.up) {
    yield {
      code: 'lower-down',
      severity: 'error',
      interface: lower.name,
      message: `${lower.name}, the lower device of ${link.name}, is down: its frames and those of its siblings are dropped`,
      remedy: `set it up: links.set('${lower.name}', { up: true })`,
    };
  } else if (!link.carrier) {
    yield {
      code: 'lower-no-carrier',
      severity: 'error',
      interface: lower?.name ?? link.name,
      message:
        `${lower?.name ?? 'the lower device, in another namespace,'} has no carrier: frames of ${link.name} ` +
        'and of its siblings are dropped',
      remedy: 'connect its cable; if it is a veth, set the other end up',
    };
  }
  if (lower && link.mtu < lower.mtu) {
    yield {
      code: 'mtu',
      severity: 'warning',
      interface: link.name,
      message:
        `the MTU of ${link.name} is ${link.mtu}, that of its lower device ${lower.name} ${lower.mtu} (lowering that ` +
        'lowers both, raising it does not): a guest that uses the larger MTU sends packets that are lost',
      remedy: `links.set('${link.name}', { mtu: ${lower.mtu} }), or set ${link.mtu} in the guest`,
    };
  }
}

function* macFindings(link: Link, bytes: Uint8Array | undefined): Generator<Finding> {
  const guestMac = bytes && formatMac(bytes);
  // In passthru mode frames to every MAC arrive.
  if (guestMac === undefined || guestMac === link.mac || link.mode === 'passthru') return;
  yield {
    code: 'mac-mismatch',
    severity: 'error',
    interface: link.name,
    message: `the guest has the MAC ${guestMac}, ${link.name} has ${link.mac}: frames to the guest do not arrive`,
    remedy: `setMac('${guestMac}'), or give the guest ${link.mac}`,
  };
}

const MODES: Partial<Record<MacvlanMode, Pick<Finding, 'code' | 'message'>>> = {
  vepa: {
    code: 'mode-vepa',
    message: 'frames to siblings on the lower device arrive only if a switch on the wire sends them back',
  },
  private: { code: 'mode-private', message: 'frames to siblings on the lower device never arrive' },
  source: { code: 'mode-source', message: 'frames arrive only from the MACs in its list' },
};

function* modeFindings({ name, mode }: Link): Generator<Finding> {
  const found = mode && MODES[mode];
  if (!found) return;
  yield {
    code: found.code,
    severity: 'warning',
    interface: name,
    message: `${name} is in mode ${mode}: ${found.message}`,
    remedy: `if that is not intended: links.set('${name}', { mode: 'bridge' })`,
  };
}

function* multicastFindings({ name, mode, allMulticast, promiscuous }: Link): Generator<Finding> {
  // In mode source, frames from listed MACs arrive, whatever their destination.
  if (allMulticast || promiscuous || mode === 'source') return;
  yield {
    code: 'multicast',
    severity: 'warning',
    interface: name,
    message: `${name} only receives multicast groups that the host has joined on it: IPv6 in a guest may fail`,
    remedy: `links.set('${name}', { allMulticast: true }), or the option allMulticast when opening it`,
  };
}

async function nodeFindings({ name, index }: Link, device: number): Promise<Finding[]> {
  const path = `/dev/tap${index}`;
  const node = await stat(path).catch(() => undefined);
  if (node === undefined || node.rdev === device) return [];
  return [
    {
      code: 'wrong-node',
      severity: 'warning',
      interface: name,
      message:
        `${path} is not the node of ${name} but another device's, such as a macvtap of the same index in another ` +
        'namespace: this descriptor is the right one, but a program that opens that path gets frames of the other device',
      remedy: 'pass this descriptor to programs (spawnQemu, spawnWithFds), never the path',
    },
  ];
}
