/**
 * Two hosts, which are network namespaces, with a wire between them for each kind of interface:
 *
 *     left                                             right
 *     guest a ---- TAP ---- br0 --port ========== port-- br0 ---- TAP ---- guest b
 *             ---- macvtap on `wire` ================ `wire` on macvtap ----
 *
 * The left host can also have a second guest (c), and a container: a namespace with a veth in the bridge and a macvlan on
 * the wire. The wires are veth pairs, slowed down to Fast Ethernet or not. tapfd makes all links.
 */
import { once } from 'node:events';
import { createNetns, links, openMacvtap, openTap } from 'tapfd';
import { Trouble } from '../../../scripts/run-command.mjs';
import { addressOf, CARD_NAMES, CARDS, macOf } from '../cards.mjs';

/**
 * At both ends. On the wire a frame takes 24 bytes more: preamble, checksum, gap. tbf adds them once to whatever it gets in
 * one piece; the peak rate, which limits nothing else, makes it cut super-frames into frames. The burst lets it catch up
 * when a timer is 5 ms late, and the queue is that of a network card: 1000 frames.
 */
const FAST_ETHERNET = 'tbf rate 100mbit burst 64k overhead 24 limit 1500k peakrate 20gbit mtu 2800'.split(
  ' ',
);

export class Hosts {
  /** @type {(() => unknown)[]} */
  #cleanups = [];
  #shaped = false;

  static async build() {
    const hosts = new Hosts();
    try {
      await hosts.#build();
    } catch (error) {
      await hosts.remove();
      throw error;
    }
    return hosts;
  }

  async #build() {
    this.left = await this.#host();
    this.right = await this.#host();
    const [left, right] = [this.left.name, this.right.name];
    for (const netns of [left, right]) await links.create({ kind: 'bridge', name: 'br0', up: true, netns });
    for (const name of ['port', 'wire']) {
      await links.create({ kind: 'veth', name, netns: left, peer: { name, netns: right } });
      for (const netns of [left, right]) await links.set(name, { up: true, netns });
    }
    for (const netns of [left, right]) await links.set('port', { master: 'br0', netns });
  }

  /** A namespace without unsolicited traffic: without IPv6 there is no neighbour discovery. */
  async #host() {
    const netns = await createNetns();
    this.#cleanups.push(() => netns.close());
    const quiet = 'for one in all default; do echo 1 >/proc/sys/net/ipv6/conf/$one/disable_ipv6; done';
    await runIn(netns, 'sh', ['-c', `test ! -e /proc/sys/net/ipv6 || { ${quiet}; }`]);
    await links.set('lo', { up: true, netns: netns.name });
    return netns;
  }

  /** The host of a guest. @param {import('../cards.mjs').Station} station */
  hostOf(station) {
    return station === 'b' ? this.right : this.left;
  }

  /** Opens a guest's devices, in the order of its cards. @param {import('../cards.mjs').Station} station */
  async openCards(station) {
    const netns = this.hostOf(station).name;
    const nics = [];
    try {
      for (const card of CARD_NAMES) {
        const { kind, vnetHeader } = CARDS[card];
        const name = linkName(station, card);
        const mac = macOf(station, card);
        const device =
          kind === 'tap'
            ? await openTap({ netns, name, bridge: 'br0', vnetHeader })
            : await openMacvtap({ netns, name, lower: 'wire', guestMac: mac, vnetHeader });
        nics.push({ device, mac, romfile: '' });
      }
    } catch (error) {
      for (const { device } of nics) await device[Symbol.asyncDispose]();
      throw error;
    }
    return nics;
  }

  /** Bytes that have passed each card of a guest, both ways. @param {import('../cards.mjs').Station} station */
  async bytesOf(station) {
    const bytes = {};
    for (const card of CARD_NAMES) {
      const { stats } = await links.get(linkName(station, card), { netns: this.hostOf(station).name });
      bytes[card] = stats.rxBytes + stats.txBytes;
    }
    return bytes;
  }

  /** Adds the container beside guest a, with an address in the network of each kind of card. */
  async addContainer() {
    const container = await this.#host();
    const [netns, moveTo] = [this.left.name, container.name];
    await links.create({
      kind: 'veth',
      name: 'container',
      master: 'br0',
      up: true,
      netns,
      peer: { name: 'tap', netns: moveTo },
    });
    await links.create({ kind: 'macvlan', name: 'macvtap', lower: 'wire', netns, moveTo });
    for (const card of /** @type {const} */ (['tap', 'macvtap'])) {
      await links.set(card, { up: true, netns: moveTo });
      await links.addAddress(card, `${addressOf('container', card)}/24`, { netns: moveTo });
    }
    this.container = container;
  }

  /** Slows the wires down to Fast Ethernet, or lets them be as fast as the machine. @param {boolean} wanted */
  async shape(wanted) {
    if (wanted === this.#shaped) return;
    for (const netns of [this.left, this.right]) {
      for (const device of ['port', 'wire']) {
        const change = wanted
          ? ['add', 'dev', device, 'root', ...FAST_ETHERNET]
          : ['del', 'dev', device, 'root'];
        await runIn(netns, 'tc', ['qdisc', ...change]);
      }
    }
    this.#shaped = wanted;
  }

  /** Undoes everything, last to first. */
  async remove() {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }
}

/** @param {import('../cards.mjs').Station} station @param {import('../cards.mjs').Card} card */
const linkName = (station, card) => `${station}-${card}`;

/** Runs a program in a namespace to its end. @param {import('tapfd').Netns} netns */
export async function runIn(netns, command, args) {
  const child = netns.spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Trouble(`${command} ${args.join(' ')}: status ${status}: ${stderr}${stdout}`);
  return stdout;
}
