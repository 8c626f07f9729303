/** The figures of a run in docs/paper.md. */
import { withParts } from '../../markdown/placeholders.mjs';
import { factsOf } from './markdown.mjs';
import { goodputLine, paperTable, patternTable, vnetHeaderLines } from './tables.mjs';

/**
 * @param {string} document
 * @param {import('./results.mjs').Results} results
 */
export function withRun(document, results) {
  const { rows, vnetHeader } = results;
  const rounds = Math.min(...rows.map(({ compared }) => compared.pairs));
  const { confidence } = /** @type {import('./rows.mjs').Row} */ (rows[0]).compared;
  return withParts(document, {
    facts: factsOf(results),
    table: paperTable(rows),
    goodput: goodputLine(rows),
    comparisons:
      `${rounds} rounds give intervals with a confidence of ${(confidence * 100).toFixed(0)} %; there are ` +
      `${rows.length + vnetHeader.length} comparisons on this page.\n`,
    patterns: patternTable(rows),
    'vnet header': vnetHeaderLines(vnetHeader),
  });
}
