/** Puts the figures of a run into a document, between comments that name them. */
import { Trouble } from '../../scripts/run-command.mjs';
import { factsOf } from './report.mjs';
import { goodputLine, paperTable, patternTable, vnetHeaderLines } from './table.mjs';

/**
 * Replaces what is between `<!-- run: NAME -->` and `<!-- end of run -->`, for each name.
 *
 * @param {string} document
 * @param {import('./results.mjs').Results} results
 */
export function withRun(document, results) {
  const { rows, vnetHeader } = results;
  const rounds = Math.min(...rows.map(({ compared }) => compared.pairs));
  const { confidence } = /** @type {import('./rows.mjs').Row} */ (rows[0]).compared;
  const parts = {
    facts: factsOf(results),
    table: paperTable(rows),
    goodput: goodputLine(rows),
    comparisons:
      `${rounds} rounds give intervals with a confidence of ${(confidence * 100).toFixed(0)} %; there are ` +
      `${rows.length + vnetHeader.length} comparisons on this page.\n`,
    patterns: patternTable(rows),
    'vnet header': vnetHeaderLines(vnetHeader),
  };
  return Object.entries(parts).reduce((text, [name, part]) => {
    const place = new RegExp(`(<!-- run: ${name} -->\n\n)[^]*?(\n?<!-- end of run -->)`);
    if (!place.test(text)) throw new Trouble(`the document has no place for "${name}"`);
    return text.replace(place, (_all, start) => `${start}${part}\n<!-- end of run -->`);
  }, document);
}
