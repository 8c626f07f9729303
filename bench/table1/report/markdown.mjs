/** What a run leaves behind: JSON with every figure, a table to read, plots to show. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plotsOf } from './plots.mjs';
import { goodputLine, paperTable, patternTable, vnetHeaderLines } from './tables.mjs';

/** @typedef {import('./results.mjs').Results} Results */

/**
 * @param {Results} results
 * @param {string} directory
 */
export function writeReport(results, directory) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'results.json'), jsonOf(results));
  writeFileSync(join(directory, 'results.md'), markdownOf(results));
  for (const [name, svg] of Object.entries(plotsOf(results)))
    writeFileSync(join(directory, `${name}.svg`), svg);
}

/** A line a measurement: a file that can be looked at, and compared with another. @param {Results} results */
function jsonOf({ measurements, ...results }) {
  const lines = measurements.map((one) => `  ${JSON.stringify(one)}`).join(',\n');
  return `${JSON.stringify(results, null, 1).slice(0, -2)},\n "measurements": [\n${lines}\n ]\n}\n`;
}

/** @param {Results} results */
export function markdownOf(results) {
  const { rows, vnetHeader } = results;
  return [
    '# The table\n',
    factsOf(results),
    paperTable(rows),
    goodputLine(rows),
    '## Other patterns\n',
    patternTable(rows),
    vnetHeaderLines(vnetHeader),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

/** The machine and its load, in a sentence each. @param {Results} results */
export function factsOf({ size, machines, load }) {
  const machine = /** @type {Record<string, any>} */ (machines.at(-1));
  return (
    `tapfd ${machine.tapfd}, Node ${machine.node}, Linux ${machine.kernel}, QEMU ${machine.qemu} with ` +
    `${machine.accelerator}, ${machine.processors} processors (${machine.processor}), ${machine.memoryGiB} GiB. ` +
    `Size: ${size}. Load average before a measurement: median ${load.median.toFixed(1)}, ` +
    `${load.least.toFixed(1)} to ${load.most.toFixed(1)}.\n`
  );
}
