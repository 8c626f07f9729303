/** `--record`: a whole run, whose figures go into a document. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../scripts/prepare.mjs';
import { say, Trouble } from '../scripts/run-command.mjs';

/** @param {{record?: boolean, quick?: boolean, smoke?: boolean, only?: unknown}} options of the command line */
export function checkRecordsWholeRun({ record, quick, smoke, only }) {
  if (record && (quick || smoke || only !== undefined)) {
    throw new Trouble('--record needs a whole run', 'leave out --quick, --smoke and --only');
  }
}

/**
 * @param {string} document its path in the repository
 * @param {(text: string) => string} withRun
 */
export function recordIn(document, withRun) {
  const path = join(ROOT, document);
  writeFileSync(path, withRun(readFileSync(path, 'utf8')));
  say(`and its figures in ${document}; check what the text says about them`);
}
