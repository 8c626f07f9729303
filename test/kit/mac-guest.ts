/** A guest that changes the MAC of its card, whose monitor says what the test wants, and the macvtap behind that card. */
import type { Test } from 'tap';
import { type Macvtap, openMacvtap } from 'tapfd';
import { type FollowGuestMacOptions, followGuestMac, QmpClient } from 'tapfd/qemu';
import { FakeMonitor, refusal } from './fake-monitor.js';
import { ownNamespace } from './namespace.js';

export const FIRST = '52:54:00:81:00:01';
export const SECOND = '52:54:00:81:00:02';
export const THIRD = '52:54:00:81:00:03';
export const NIC = 'tapfd0-nic';

/** A guest: what it has set on its card, and how QEMU learns of it. */
export class Guest {
  readonly monitor: FakeMonitor;
  mac = FIRST;
  multicast = 'normal';
  groups: string[] = [];
  /** Called at each question after the card's filter. */
  onQuestion: () => void = () => {};
  broken = false;
  /** How often QEMU was asked. */
  asked = 0;

  constructor() {
    this.monitor = new FakeMonitor(({ execute, arguments: args }) => {
      if (execute !== 'query-rx-filter') return { return: {} };
      if (args.name !== NIC) return refusal(`invalid net client name: ${args.name}`);
      if (this.broken) return refusal('broken');
      this.asked += 1;
      this.onQuestion();
      const { mac, multicast, groups } = this;
      return { return: [{ name: NIC, 'main-mac': mac, multicast, 'multicast-table': groups }] };
    });
  }

  change(changes: Partial<Pick<Guest, 'mac' | 'multicast' | 'groups' | 'broken'>>): void {
    Object.assign(this, changes);
    this.monitor.happen('NIC_RX_FILTER_CHANGED', { name: NIC, path: '/machine/peripheral/x' });
  }
}

export async function ground(t: Test) {
  const net = await ownNamespace(t);
  await net.wire('lower0', 'far0');
  const device = await openMacvtap({ netns: net.name, name: 'guest', lower: 'lower0', mac: FIRST });
  t.teardown(() => device[Symbol.asyncDispose]());
  const guest = new Guest();
  const qmp = await QmpClient.connect(guest.monitor);
  t.teardown(() => qmp[Symbol.asyncDispose]());
  const follow = async (options: FollowGuestMacOptions = {}, what: Macvtap | string | number = device) => {
    const follower = await followGuestMac(qmp, what, { netns: net.name, ...options });
    t.teardown(() => follower[Symbol.asyncDispose]());
    return follower;
  };
  return { net, device, guest, qmp, follow };
}
