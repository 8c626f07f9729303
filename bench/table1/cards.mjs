/**
 * The network cards that every guest has: each kind of interface with a vnet header, as QEMU opens its own by default and
 * as the paper measured it, and without. Each is in an IPv4 network of its own.
 */

/** @typedef {'tap' | 'macvtap' | 'tap-plain' | 'macvtap-plain'} Card */

/** @type {Record<Card, {kind: 'tap' | 'macvtap', vnetHeader: boolean, network: number}>} */
export const CARDS = {
  tap: { kind: 'tap', vnetHeader: true, network: 1 },
  macvtap: { kind: 'macvtap', vnetHeader: true, network: 2 },
  'tap-plain': { kind: 'tap', vnetHeader: false, network: 3 },
  'macvtap-plain': { kind: 'macvtap', vnetHeader: false, network: 4 },
};

/** In the order of `eth0`, `eth1`, … in the guest. */
export const CARD_NAMES = /** @type {Card[]} */ (Object.keys(CARDS));

/** The stations of a network, with the last byte of their addresses. */
const STATIONS = { a: 1, b: 2, c: 3, container: 4 };

/** @typedef {keyof typeof STATIONS} Station */

/** @param {Station} station @param {Card} card */
export function addressOf(station, card) {
  return `10.81.${CARDS[card].network}.${STATIONS[station]}`;
}

/** @param {Card} card */
export function networkOf(card) {
  return `10.81.${CARDS[card].network}.0/24`;
}

/** @param {Station} station @param {Card} card */
export function macOf(station, card) {
  return `52:54:00:81:0${CARDS[card].network}:0${STATIONS[station]}`;
}

/** @param {Station} station */
export function hostName(station) {
  return `node${STATIONS[station]}`;
}
