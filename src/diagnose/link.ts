/** What stops frames at the interface itself, or in a TAP's bridge. */

import type { DeviceHandle } from '../descriptor/device-handle.js';
import type { Link } from '../links/link.js';
import type { Finding } from './finding.js';
import type { Surroundings } from './surroundings.js';

export function* diagnoseLink({ device, link, links }: Surroundings): Generator<Finding> {
  const { name } = link;
  if (device.flags.detached) {
    yield {
      code: 'queue-detached',
      severity: 'error',
      interface: name,
      message: `this queue of ${name} is detached: it receives nothing`,
      remedy: 'call attachQueue()',
    };
  }
  yield* diagnoseFilters(device, name);
  if (links === undefined) return;
  if (!link.up) {
    yield {
      code: 'link-down',
      severity: 'error',
      interface: name,
      message: `${name} is down: frames are dropped in both directions`,
      remedy: `set it up: links.set('${name}', { up: true })`,
    };
  }
  if (device.kind !== 'macvtap' && !link.carrier) {
    yield {
      code: 'no-carrier',
      severity: 'error',
      interface: name,
      message: `the carrier of ${name} is off: the host sends nothing through it`,
      remedy: 'call setCarrier(true)',
    };
  }
  /* c8 ignore next -- a bridge port always has a master; only the types allow for none */
  const bridge = link.portKind === 'bridge' ? links.get(link.master ?? 0) : undefined;
  if (bridge) {
    yield* diagnoseBridge(
      link,
      bridge,
      [...links.values()].filter(({ master }) => master === bridge.index),
    );
  }
}

/** What the kernel cannot be asked for: only this thread's own calls are known. */
function* diagnoseFilters(device: DeviceHandle, name: string): Generator<Finding> {
  if (device.filters.has('tx-filter')) {
    yield {
      code: 'tx-filter',
      severity: 'warning',
      interface: name,
      message: `${name} has a TX filter: frames to destinations that it does not list never arrive`,
      remedy: 'add the destinations with setTxFilter(), or remove the filter with setTxFilter(null)',
    };
  }
  if (device.filters.has('filter-program')) {
    yield {
      code: 'filter-program',
      severity: 'warning',
      interface: name,
      message: `${name} has a filter program: frames that it drops or cuts never arrive whole`,
      remedy: 'remove it with setFilterProgram(null), or load another',
    };
  }
}

function* diagnoseBridge(link: Link, bridge: Link, ports: readonly Link[]): Generator<Finding> {
  if (!bridge.up) {
    yield {
      code: 'bridge-down',
      severity: 'error',
      interface: bridge.name,
      message: `${link.name} is a port of ${bridge.name}, which is down and forwards nothing`,
      remedy: `set it up: links.set('${bridge.name}', { up: true })`,
    };
  }
  const smallest = ports.reduce((a, b) => (b.mtu < a.mtu ? b : a), link);
  const largest = ports.reduce((a, b) => (b.mtu > a.mtu ? b : a), link);
  if (smallest.mtu === largest.mtu) return;
  yield {
    code: 'mtu',
    severity: 'warning',
    interface: smallest.name,
    message:
      `the MTU of ${smallest.name} is ${smallest.mtu}, that of ${largest.name} in the same bridge ${largest.mtu}: ` +
      `${bridge.name} drops packets that are too long for ${smallest.name}`,
    remedy: `give all ports of ${bridge.name} the same MTU, and the hosts behind them no larger one`,
  };
}
