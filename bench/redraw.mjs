/**
 * Draws the plots of the recorded runs anew, from their results in docs/, without measuring.
 *
 *     node bench/redraw.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../scripts/prepare.mjs';
import { plotsOf } from './report/plots.mjs';
import { plotsOf as table1PlotsOf } from './table1/report/plots.mjs';

for (const [directory, draw] of /** @type {const} */ ([
  ['docs/bench', plotsOf],
  ['docs/table1', table1PlotsOf],
])) {
  const results = JSON.parse(readFileSync(join(ROOT, directory, 'results.json'), 'utf8'));
  for (const [name, svg] of Object.entries(draw(results)))
    writeFileSync(join(ROOT, directory, `${name}.svg`), svg);
}
