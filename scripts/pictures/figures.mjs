/** The figures of the guides. */
import { across, box, chunk, down, picture, words } from './svg.mjs';

/** @type {Readonly<Record<string, () => string>>} SVG by name */
export const FIGURES = {
  devices: devices,
  'tap-bridge': tapBridge,
  'macvtap-lower': macvtapLower,
};

const IP = { name: 'IP', width: 46, look: 'grey' };
const DATA = { name: 'data', width: 74, look: 'plain' };
/** @param {string} look */
const macs = (look) => ({ name: 'MACs', width: 62, look });

/** TUN, TAP and macvtap, side by side. */
function devices() {
  const [tun, tap, macvtap] = [177, 500, 823];
  const column = (/** @type {number} */ cx, /** @type {string} */ title, /** @type {string} */ subtitle) => [
    `<rect x="${cx - 153}" y="24" width="306" height="572" rx="10" class="panel"/>`,
    words(cx, 60, title, 'head'),
    words(cx, 84, subtitle, 'small'),
    across(250, cx - 153, cx + 153, 'border'),
    words(cx - 141, 242, 'user space', 'small', 'start'),
    words(cx - 141, 268, 'kernel', 'small', 'start'),
  ];
  const below = (/** @type {number} */ cx, /** @type {string} */ first, /** @type {string} */ second) => [
    down(cx, 496, 520, 'greyline'),
    across(522, cx - 110, cx + 110, 'wire'),
    words(cx, 556, first, 'small'),
    words(cx, 576, second, 'small'),
  ];
  return picture({
    width: 1000,
    height: 620,
    title: 'TUN, TAP and macvtap',
    description:
      'TUN: IP packets pass between a program and the routing of the kernel. TAP: Ethernet frames pass between a program ' +
      'or guest and a bridge, in which the network card is another port. macvtap: Ethernet frames pass between a program ' +
      'or guest and the network card itself, which it shares under a MAC address of its own.',
    parts: [
      ...column(tun, 'TUN', 'IP packets'),
      box(tun, 104, { width: 230, look: 'plain', name: 'your program', detail: 'a VPN, a tunnel' }),
      down(tun, 158, 284, 'greenline'),
      chunk(tun, 184, [IP, DATA]),
      box(tun, 284, { width: 190, look: 'green', name: 'tun0', detail: 'has an IP address' }),
      down(tun, 338, 363, 'greyline'),
      box(tun, 363, { width: 230, look: 'grey', name: 'IP routing', detail: 'of the host' }),
      down(tun, 417, 442, 'greyline'),
      box(tun, 442, { width: 190, look: 'plain', name: 'eth0' }),
      ...below(tun, 'No MAC addresses, no ARP:', 'the routing decides what comes'),

      ...column(tap, 'TAP', 'Ethernet frames, joined by a bridge'),
      box(tap, 104, { width: 230, look: 'plain', name: 'guest, or your program', detail: 'any MAC address' }),
      down(tap, 158, 284, 'blueline'),
      chunk(tap, 184, [macs('blue'), IP, DATA]),
      box(tap, 284, { width: 190, look: 'blue', name: 'tap0', detail: 'a port of the bridge' }),
      down(tap, 338, 363, 'blueline'),
      box(tap, 363, { width: 230, look: 'grey', name: 'bridge br0', detail: 'a switch; the host is on it' }),
      down(tap, 417, 442, 'blueline'),
      box(tap, 442, { width: 190, look: 'plain', name: 'eth0', detail: 'another port' }),
      ...below(tap, 'Guests, host and network', 'all reach each other'),

      ...column(macvtap, 'macvtap', 'Ethernet frames, on a network card'),
      box(macvtap, 104, {
        width: 230,
        look: 'plain',
        name: 'guest, or your program',
        detail: 'the MAC of macvtap0',
      }),
      down(macvtap, 158, 284, 'orangeline'),
      chunk(macvtap, 184, [macs('orange'), IP, DATA]),
      box(macvtap, 284, { width: 190, look: 'orange', name: 'macvtap0', detail: 'a MAC of its own' }),
      down(macvtap, 338, 442, 'orangeline'),
      words(macvtap + 12, 386, 'no bridge', 'small', 'start'),
      words(macvtap + 12, 405, 'in between', 'small', 'start'),
      box(macvtap, 442, { width: 190, look: 'grey', name: 'eth0', detail: 'the lower device' }),
      ...below(macvtap, 'Guests and network reach each other;', 'the host does not reach its guests'),
    ],
  });
}

const COLUMNS = [150, 380, 610];
const HOST = 850;

/** The programs above the devices, and the border to the kernel. */
function programs(/** @type {string} */ line) {
  const names = [
    ['guest A', 'QEMU'],
    ['guest B', 'QEMU'],
    ['your program', 'Node.js'],
  ];
  return [
    ...COLUMNS.map((cx, i) =>
      box(cx, 40, {
        width: 190,
        height: 60,
        look: 'plain',
        name: names[i]?.[0] ?? '',
        detail: names[i]?.[1] ?? '',
      }),
    ),
    box(HOST, 40, {
      width: 170,
      height: 60,
      look: 'plain',
      name: 'other programs',
      detail: 'sockets of the host',
    }),
    across(168, 24, 976, 'border'),
    words(36, 158, 'user space', 'small', 'start'),
    words(36, 188, 'kernel', 'small', 'start'),
    ...COLUMNS.map((cx) => down(cx, 100, 206, line)),
    words((COLUMNS[0] ?? 0) + 12, 138, 'descriptor', 'small', 'start'),
    down(HOST, 100, 206, 'greyline'),
  ];
}

/** TAPs in a bridge. */
function tapBridge() {
  return picture({
    width: 1000,
    height: 520,
    title: 'TAP with a bridge',
    description:
      'Two guests and a Node.js program each hold the descriptor of a TAP: tap0, tap1 and tap2. The three TAPs, the host ' +
      'with its IP address, and the network card eth0 are on one bridge, br0, so that all of them reach each other and ' +
      'the network.',
    parts: [
      ...programs('blueline'),
      ...COLUMNS.map((cx, i) =>
        box(cx, 206, { width: 150, look: 'blue', name: `tap${i}`, detail: 'a port' }),
      ),
      box(HOST, 206, { width: 170, look: 'plain', name: "the host's IP", detail: '192.168.1.2' }),
      ...COLUMNS.map((cx) => down(cx, 260, 306, 'blueline')),
      down(HOST, 260, 306, 'greyline'),
      box(500, 306, {
        width: 900,
        height: 62,
        look: 'grey',
        name: 'bridge br0',
        detail: 'a switch: learns which MAC address is behind which port',
      }),
      down(500, 368, 402, 'blueline'),
      box(500, 402, { width: 240, look: 'plain', name: 'eth0', detail: 'the network card, a port too' }),
      down(500, 456, 482, 'greyline'),
      across(484, 200, 800, 'wire'),
      words(820, 489, 'the network', 'small', 'start'),
    ],
  });
}

/** macvtaps on one lower device. */
function macvtapLower() {
  return picture({
    width: 1000,
    height: 520,
    title: 'macvtap with its lower device',
    description:
      'Two guests and a Node.js program each hold the descriptor of a macvtap with a MAC address of its own. All three ' +
      'macvtaps sit directly on the network card eth0, which gives each frame to the macvtap that has its destination ' +
      'address. They reach each other and the network. The host uses eth0 too, but host and macvtaps do not reach each other.',
    parts: [
      ...programs('orangeline'),
      ...COLUMNS.map((cx, i) =>
        box(cx, 206, { width: 150, look: 'orange', name: `macvtap${i}`, detail: `52:54:00:00:00:0${i + 1}` }),
      ),
      box(HOST, 206, { width: 170, look: 'plain', name: "the host's IP", detail: '192.168.1.2' }),
      across(233, 685, 765, 'barred'),
      '<path d="M717 225l16 16M733 225l-16 16" class="cross"/>',
      words(725, 280, 'no path', 'red'),
      ...COLUMNS.map((cx) => down(cx, 260, 330, 'orangeline')),
      down(HOST, 260, 330, 'greyline'),
      box(500, 330, {
        width: 900,
        height: 72,
        look: 'grey',
        name: 'eth0, the lower device',
        detail:
          'each frame goes to the link that has its MAC address; siblings reach each other (mode bridge)',
      }),
      down(500, 402, 482, 'greyline'),
      across(484, 200, 800, 'wire'),
      words(820, 489, 'the network', 'small', 'start'),
    ],
  });
}
