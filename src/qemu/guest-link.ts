/**
 * The macvtap link behind a guest's card: reached through its descriptor while this process has it, otherwise by
 * rtnetlink.
 */
import { invalidArgument, TapfdError } from '../base/errors.js';
import type { Macvtap } from '../devices/macvtap.js';
import { checkLinkRef } from '../links/check-options.js';
import type { Link } from '../links/link.js';
import { links } from '../links/links.js';
import type { NetnsLike } from '../links/namespace.js';
import type { LinkRef } from '../links/options.js';
import { isDevice } from './nic/device.js';

/** The MACs given to the links of devices since they were handed over: such a device no longer learns them itself. */
const givenSince = new WeakMap<Macvtap, string>();

export class GuestLink {
  readonly #device: Macvtap | undefined;
  readonly #netns: { netns?: NetnsLike };
  #known: Link;

  private constructor(device: Macvtap | undefined, netns: { netns?: NetnsLike }, link: Link) {
    this.#device = device;
    this.#netns = netns;
    this.#known = link;
  }

  static async find(
    macvtap: Macvtap | LinkRef,
    { netns }: { netns?: NetnsLike | undefined },
  ): Promise<GuestLink> {
    const where = netns === undefined ? {} : { netns };
    if (typeof macvtap !== 'object') {
      const link = await links.get(checkLinkRef('macvtap', macvtap), where);
      return new GuestLink(undefined, where, requireMacvtap(link));
    }
    if (!isDevice(macvtap)) throw invalidArgument('macvtap', "a Macvtap, or a link's name or index", macvtap);
    // Its index says nothing in another namespace.
    if (macvtap.kind !== 'macvtap') throw notAMacvtap(macvtap.name);
    const link = await links.get(macvtap.index, where).catch((error) => {
      throw error.code === 'ENODEV' ? anotherLink(macvtap.name) : error;
    });
    // The same index may be another link's in another namespace.
    const mac = givenSince.get(macvtap) ?? macvtap.mac;
    if (link.name !== macvtap.name || link.mac !== mac) throw anotherLink(macvtap.name);
    return new GuestLink(macvtap, where, requireMacvtap(link));
  }

  /** The MAC, as last seen or set. */
  get mac(): string | undefined {
    return this.#known.mac;
  }

  /** Reads the link again. */
  async refresh(): Promise<void> {
    const { index, name, mac } = this.#known;
    const link = await links.get(index, this.#netns);
    if (link.name !== name && link.mac !== mac) throw anotherLink(name);
    this.#known = requireMacvtap(link);
  }

  async setMac(mac: string): Promise<void> {
    if (this.#device?.handedOff === false) {
      await this.#device.setMac(mac);
    } else {
      await links.set(this.#known.index, { mac, ...this.#netns });
      if (this.#device !== undefined) givenSince.set(this.#device, mac);
    }
    this.#known = { ...this.#known, mac };
  }

  get allMulticast(): boolean {
    return this.#known.allMulticast;
  }

  async setAllMulticast(allMulticast: boolean): Promise<void> {
    await links.set(this.#known.index, { allMulticast, ...this.#netns });
    this.#known = { ...this.#known, allMulticast };
  }
}

function requireMacvtap(link: Link): Link {
  if (link.kind === 'macvtap') return link;
  throw notAMacvtap(link.name);
}

function notAMacvtap(name: string): TapfdError {
  return new TapfdError(
    'ERR_TAPFD_NOT_A_MACVTAP',
    `followGuestMac: ${name} is not a macvtap; only a macvtap delivers by the guest's MAC`,
    { interface: name },
  );
}

function anotherLink(name: string): TapfdError {
  return new TapfdError(
    'ERR_TAPFD_WRONG_DEVICE',
    `followGuestMac: no link with that index is ${name} as last known. Pass its namespace as netns; if it was ` +
      'renamed or given another MAC after QEMU got its descriptor, pass its name instead of the device',
    { interface: name },
  );
}
