/** Which measurements there are, in which order. */

/** @typedef {import('./case.mjs').Case} Case */
/** @typedef {{case: Case, card: import('./cards.mjs').Card, round: number}} Step */

/**
 * Round by round, so that a run that is stopped has every case as often as the others; within a case the cards by turns,
 * in another order each round, so that what the machine does besides falls on all of them.
 *
 * @param {readonly Case[]} cases
 * @param {{tableRounds: number, patternRounds: number}} size
 * @returns {Step[]}
 */
export function planOf(cases, { tableRounds, patternRounds }) {
  return [
    ...rounds(
      cases.filter(({ phase }) => phase === 'table'),
      tableRounds,
    ),
    ...rounds(
      cases.filter(({ phase }) => phase === 'patterns'),
      patternRounds,
    ),
  ];
}

/** @param {readonly Case[]} cases @param {number} count @returns {Step[]} */
function rounds(cases, count) {
  return Array.from({ length: count }, (_, round) =>
    cases.flatMap((one) => {
      const cards = round % 2 === 0 ? one.cards : [...one.cards].reverse();
      return cards.map((card) => ({ case: one, card, round: round + 1 }));
    }),
  ).flat();
}
