/** The figures of a run in docs/performance.md. */
import { withParts } from '../markdown/placeholders.mjs';
import { factsOf, targetTable } from './markdown.mjs';

/** @param {string} document @param {import('./figures.mjs').Report} report */
export function withRun(document, report) {
  return withParts(document, { facts: factsOf(report), targets: targetTable(report) });
}
