/** Traffic that iperf3 sends between two stations. */
import { iperf3Report } from '../../iperf3-report.mjs';
import { addressOf } from '../cards.mjs';

/** Not counted: TCP is still opening its window. */
const WARM_UP_SECONDS = 1;

/** Ethernet, IPv4 and UDP headers. */
const UDP_HEADERS = 14 + 20 + 8;

/**
 * TCP from one station to another, as received.
 *
 * @param {{from: object, to: object, card: import('../cards.mjs').Card, seconds: number, flows?: number}} stream
 * @returns {Promise<{mbps: number, retransmits: number, fairness: number}>} `fairness`: Jain's index of the flows; 1 means
 *   equal shares
 */
export async function tcpStream({ from, to, card, seconds, flows = 1 }) {
  const end = await report(from, to, card, ['-O', WARM_UP_SECONDS, '-t', seconds, '-P', flows]);
  const shares = end.streams.map(({ receiver }) => receiver.bits_per_second);
  const sum = shares.reduce((a, b) => a + b, 0);
  return {
    mbps: end.sum_received.bits_per_second / 1e6,
    retransmits: end.sum_sent.retransmits,
    fairness: sum ** 2 / (shares.length * shares.reduce((a, b) => a + b ** 2, 0)),
  };
}

/**
 * UDP frames of one size, as fast as the sender can.
 *
 * @param {{from: object, to: object, card: import('../cards.mjs').Card, seconds: number, frameBytes: number}} flood
 * @returns {Promise<{receivedPerSecond: number, sentPerSecond: number, mbps: number}>} `mbps`: of received frames
 */
export async function udpFlood({ from, to, card, seconds, frameBytes }) {
  const length = frameBytes - UDP_HEADERS;
  const { sum } = await report(from, to, card, ['-u', '-b', 0, '-t', seconds, '-l', length]);
  const received = (sum.packets - sum.lost_packets) / sum.seconds;
  return {
    receivedPerSecond: received,
    sentPerSecond: sum.packets / sum.seconds,
    mbps: (received * frameBytes * 8) / 1e6,
  };
}

function report(from, to, card, args) {
  const command = ['iperf3', '-J', '-c', addressOf(to.name, card), ...args].join(' ');
  return iperf3Report(() => from.must(`${command} || true`));
}
