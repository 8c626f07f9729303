/** The measurements of a run, in their order. */

/** @typedef {import('./case.mjs').Case} Case */
/** @typedef {{case: Case, card: import('./cards.mjs').Card, round: number}} Step */

/**
 * Round by round, so that a run that is stopped has measured all cases equally often. Within a case the cards take turns, in
 * another order each round, so that whatever else the machine does affects all of them.
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
