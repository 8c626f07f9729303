/** What stops frames of a macvtap; docs/macvtap.md tells of each. */
import { stat } from 'node:fs/promises';
import type { Link } from '../links/link.js';
import { formatMac } from '../links/mac.js';
import type { MacvlanMode } from '../links/macvlan-mode.js';
import type { Finding } from './finding.js';
import type { Surroundings } from './surroundings.js';

export async function diagnoseMacvtap({ device, link, links, others }: Surroundings): Promise<Finding[]> {
  const mac = macFindings(link, device.settings.guestMac);
  if (links === undefined) return [movedAway(link), ...mac];
  // A lower device in another namespace shows by its carrier only, which is also the link's.
  /* c8 ignore next -- a macvtap has a lower device; only the types allow for none */
  const lower = link.lowerNetnsId === undefined ? links.get(link.lower ?? 0) : undefined;
  return [
    ...lowerFindings(link, lower),
    ...mac,
    ...modeFindings(link),
    ...multicastFindings(link),
    ...(await nodeFindings(link, others.device)),
  ];
}

function movedAway({ name }: Link): Finding {
  return {
    code: 'moved-away',
    severity: 'warning',
    interface: name,
    message: `${name} has moved to another network namespace, where its state and its lower device cannot be seen`,
    remedy: 'diagnose a device opened there: openMacvtap({ name, netns })',
  };
}

function* lowerFindings(link: Link, lower: Link | undefined): Generator<Finding> {
  if (lower && !lower.up) {
    yield {
      code: 'lower-down',
      severity: 'error',
      interface: lower.name,
      message: `${lower.name}, the lower device of ${link.name}, is down: frames are dropped, those of siblings too`,
      remedy: `set it up: links.set('${lower.name}', { up: true })`,
    };
  } else if (!link.carrier) {
    yield {
      code: 'lower-no-carrier',
      severity: 'error',
      interface: lower?.name ?? link.name,
      message:
        `${lower?.name ?? 'the lower device, in another namespace,'} has no carrier: frames of ${link.name} are ` +
        'dropped, those of siblings too',
      remedy: 'plug its cable in; of a veth, set the other end up',
    };
  }
  if (lower && link.mtu < lower.mtu) {
    yield {
      code: 'mtu',
      severity: 'warning',
      interface: link.name,
      message:
        `the MTU of ${link.name} is ${link.mtu}, that of its lower device ${lower.name} ${lower.mtu} (lowering that ` +
        'lowers both, raising it does not): a guest that goes by the wire sends packets that are lost',
      remedy: `links.set('${link.name}', { mtu: ${lower.mtu} }), or tell the guest: ${link.mtu}`,
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
    message: `the guest has the MAC ${guestMac}, ${link.name} has ${link.mac}: nothing that is sent to the guest arrives`,
    remedy: `setMac('${guestMac}'), or give the guest ${link.mac}`,
  };
}

const MODES: Partial<Record<MacvlanMode, Pick<Finding, 'code' | 'message'>>> = {
  vepa: {
    code: 'mode-vepa',
    message: 'siblings on the lower device are reached only if a switch on the wire sends their frames back',
  },
  private: { code: 'mode-private', message: 'siblings on the lower device are never reached' },
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
    remedy: `if that is not meant: links.set('${name}', { mode: 'bridge' })`,
  };
}

function* multicastFindings({ name, mode, allMulticast, promiscuous }: Link): Generator<Finding> {
  // In mode source what comes from a listed MAC arrives, whatever its destination.
  if (allMulticast || promiscuous || mode === 'source') return;
  yield {
    code: 'multicast',
    severity: 'warning',
    interface: name,
    message: `${name} lets only those multicast groups through that the host has joined on it: IPv6 in a guest may fail`,
    remedy: `links.set('${name}', { allMulticast: true }), or the option allMulticast when opening it`,
  };
}

async function nodeFindings({ name, index }: Link, device: number): Promise<Finding[]> {
  const path = `/dev/tap${index}`;
  const standing = await stat(path).catch(() => undefined);
  if (standing === undefined || standing.rdev === device) return [];
  return [
    {
      code: 'wrong-node',
      severity: 'warning',
      interface: name,
      message:
        `${path} is not the node of ${name} but another device's, such as a macvtap of the same index in another ` +
        'namespace: this descriptor is right, what opens that path gets the frames of the other',
      remedy: 'hand this descriptor to programs (spawnQemu, spawnWithFds), never the path',
    },
  ];
}
