/** The patterns of traffic that the paper leaves open, over wires as fast as the machine. */
import { addressOf } from '../cards.mjs';
import { ANSWER_PORT } from '../testbed/station.mjs';
import { tcpStream, udpFlood } from './iperf3.mjs';

/** @typedef {import('../case.mjs').Case} Case */
/** @typedef {import('../cards.mjs').Station} Station */

const PATTERN = /** @type {const} */ ({
  phase: 'patterns',
  cards: ['tap', 'macvtap'],
  between: ['a', 'b'],
  shaped: false,
  computes: false,
});

/** @param {import('../sizes.mjs').Size} size @returns {Case[]} */
export function patternCases(size) {
  return [
    ...size.frameSizes.map((bytes) => frames(size, bytes)),
    roundTrip(size, 'tcp', ['a', 'b'], 'request-tcp', 'TCP request and response'),
    roundTrip(size, 'udp', ['a', 'b'], 'request-udp', 'UDP request and response'),
    // Right behind one another, for they are compared as well.
    stream(size, ['a', 'b'], 'flows-1', '1 TCP flow'),
    {
      ...stream(size, ['a', 'b'], 'no-vnet-header', '1 TCP flow without vnet header'),
      cards: ['tap-plain', 'macvtap-plain'],
    },
    ...size.manyFlows.map((flows) => stream(size, ['a', 'b'], `flows-${flows}`, `${flows} TCP flows`, flows)),
    stream(size, ['a', 'c'], 'one-host', 'Guest to guest on one host'),
    roundTrip(size, 'tcp', ['a', 'c'], 'request-one-host', 'TCP request, guest to guest on one host'),
    stream(size, ['a', 'container'], 'to-container', 'Guest to container'),
    stream(size, ['container', 'a'], 'from-container', 'Container to guest'),
    roundTrip(size, 'tcp', ['a', 'container'], 'request-container', 'TCP request, guest to container'),
  ];
}

/** @param {import('../sizes.mjs').Size} size @param {number} frameBytes @returns {Case} */
function frames(size, frameBytes) {
  return {
    ...PATTERN,
    name: `frames-${frameBytes}`,
    title: `UDP frames of ${frameBytes} bytes`,
    unit: 'frames/s',
    better: 'more',
    parameters: { seconds: size.frames, frameBytes },
    measure: async ({ a, b }, card) => {
      const figures = await udpFlood({ from: a, to: b, card, seconds: size.frames, frameBytes });
      return { value: figures.receivedPerSecond, ...figures };
    },
  };
}

/**
 * @param {import('../sizes.mjs').Size} size
 * @param {[Station, Station]} between
 * @param {string} name
 * @param {string} title
 * @param {number} flows
 * @returns {Case}
 */
function stream(size, between, name, title, flows = 1) {
  const [from, to] = between;
  return {
    ...PATTERN,
    name,
    title,
    between,
    unit: 'Mbit/s',
    better: 'more',
    parameters: { seconds: size.stream, flows },
    measure: async (site, card) => {
      const figures = await tcpStream({
        from: site[from],
        to: site[to],
        card,
        seconds: size.stream,
        flows,
      });
      return { value: figures.mbps, ...figures };
    },
  };
}

/**
 * @param {import('../sizes.mjs').Size} size
 * @param {'tcp' | 'udp'} protocol
 * @param {[Station, Station]} between
 * @param {string} name
 * @param {string} title
 * @returns {Case}
 */
function roundTrip(size, protocol, between, name, title) {
  const [from, to] = between;
  return {
    ...PATTERN,
    name,
    title,
    between,
    unit: 'us',
    better: 'less',
    parameters: { seconds: size.requests, protocol },
    measure: async (site, card) => {
      const address = addressOf(to, card);
      const command = `request_response ${protocol} ${address} ${ANSWER_PORT} ${size.requests}`;
      const figures = JSON.parse(await site[from].mustInSmall(command));
      return { value: figures.medianUs, ...figures };
    },
  };
}
