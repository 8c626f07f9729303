/** The figures of a run in docs/performance.md. */
import { withParts } from './placeholders.mjs';
import { factsOf, targetTable } from './report.mjs';

/** @param {string} document @param {import('./report.mjs').Report} report */
export function withRun(document, report) {
  return withParts(document, { facts: factsOf(report), targets: targetTable(report) });
}
