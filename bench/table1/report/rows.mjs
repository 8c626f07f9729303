/** The measurements of a run, by case: the figures of each card, and the cards compared. */
import { summary } from '../../statistics.mjs';
import { isFor } from '../results-file.mjs';
import { comparison } from './comparison.mjs';

/**
 * @typedef {object} Row
 * @property {import('../case.mjs').Case} case
 * @property {import('../../statistics.mjs').Summary} tap
 * @property {import('../../statistics.mjs').Summary} macvtap
 * @property {import('./comparison.mjs').Comparison} compared macvtap to TAP, in each round
 */

/**
 * The cases that have been measured on both interfaces.
 *
 * @param {readonly import('../case.mjs').Case[]} cases
 * @param {readonly import('../results-file.mjs').Measurement[]} measurements
 * @returns {Row[]}
 */
export function rowsOf(cases, measurements) {
  return cases.flatMap((one) => {
    const [tap, macvtap] = one.cards.map((card) => byRound(one, card, measurements));
    if (tap === undefined || macvtap === undefined) return [];
    const pairs = pairsOf(tap, macvtap);
    if (pairs.length === 0) return [];
    return [
      {
        case: one,
        tap: summary([...tap.values()]),
        macvtap: summary([...macvtap.values()]),
        compared: comparison(pairs),
      },
    ];
  });
}

/**
 * What the vnet header changes: with it against without it, on each kind of interface.
 *
 * @param {readonly import('../case.mjs').Case[]} cases
 * @param {readonly import('../results-file.mjs').Measurement[]} measurements
 * @returns {{kind: string, compared: import('./comparison.mjs').Comparison}[]}
 */
export function vnetHeaderRows(cases, measurements) {
  const withHeader = cases.find(({ name }) => name === 'flows-1');
  const without = cases.find(({ name }) => name === 'no-vnet-header');
  if (withHeader === undefined || without === undefined) return [];
  return withHeader.cards.flatMap((card, position) => {
    const plain = without.cards[position];
    if (plain === undefined) return [];
    const pairs = pairsOf(byRound(without, plain, measurements), byRound(withHeader, card, measurements));
    return pairs.length === 0 ? [] : [{ kind: card, compared: comparison(pairs) }];
  });
}

/**
 * @param {import('../case.mjs').Case} one
 * @param {import('../cards.mjs').Card} card
 * @param {readonly import('../results-file.mjs').Measurement[]} measurements
 * @returns {Map<number, number>} values by round
 */
function byRound(one, card, measurements) {
  const own = measurements.filter((measurement) => measurement.card === card && isFor(measurement, one));
  return new Map(own.map(({ round, figures }) => [round, figures.value]));
}

/** @param {Map<number, number>} first @param {Map<number, number>} second @returns {[number, number][]} */
function pairsOf(first, second) {
  return [...first].flatMap(([round, value]) => {
    const other = second.get(round);
    return other === undefined ? [] : [/** @type {[number, number]} */ ([value, other])];
  });
}
