/** What a run leaves behind: JSON with every figure, a table to read, plots to show. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @param {string} directory
 * @param {{json: string, markdown: string, plots: Readonly<Record<string, string>>}} results `plots`: SVG by name
 */
export function writeResults(directory, { json, markdown, plots }) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'results.json'), json);
  writeFileSync(join(directory, 'results.md'), markdown);
  for (const [name, svg] of Object.entries(plots)) writeFileSync(join(directory, `${name}.svg`), svg);
}
