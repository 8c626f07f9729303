/** A run in Markdown. */
import { goodputLine, paperTable, patternTable, vnetHeaderLines } from './tables.mjs';

/** @typedef {import('./results.mjs').Results} Results */

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

/** The machine, the size and the load, a sentence each. @param {Results} results */
export function factsOf({ size, machines, load }) {
  const machine = /** @type {Record<string, any>} */ (machines.at(-1));
  return (
    `tapfd ${machine.tapfd}, Node ${machine.node}, Linux ${machine.kernel}, QEMU ${machine.qemu} with ` +
    `${machine.accelerator}, ${machine.processors} processors (${machine.processor}), ${machine.memoryGiB} GiB. ` +
    `Size: ${size}. Load average before a measurement: median ${load.median.toFixed(1)}, ` +
    `${load.least.toFixed(1)} to ${load.most.toFixed(1)}.\n`
  );
}
