/** Runs floor and subjects in turn, so that whatever else the machine does affects all of them. */
import { summary } from '../statistics.mjs';

/**
 * @typedef {Record<string, number>} Figures by name
 * @typedef {import('../statistics.mjs').Summary} Summary
 */

/**
 * Measures the floor before and after each subject, and compares the subject with the mean of both.
 *
 * @param {object} plan
 * @param {(subject: string) => Promise<Figures>} plan.measure measures `floor` or a subject once; all must have the
 *   same figures
 * @param {string[]} plan.subjects
 * @param {number} plan.repeats
 * @param {() => Promise<void>} [plan.begin] before each round
 * @returns {Promise<{subject: string, figure: string, value: Summary, ratio: Summary | undefined}[]>} the floor first
 */
export async function alternating({ measure, subjects, repeats, begin = async () => {} }) {
  /** @type {Figures[]} */
  const floors = [];
  const runs = subjects.map((subject) => ({
    subject,
    /** @type {{figures: Figures, before: Figures, after: Figures}[]} */
    measured: [],
  }));
  const measureFloor = async () => {
    const figures = await measure('floor');
    floors.push(figures);
    return figures;
  };
  for (let round = 0; round < repeats; round += 1) {
    await begin();
    let before = await measureFloor();
    // Another order each time, so that a subject does not always follow the same other one.
    const shift = round % Math.max(1, runs.length);
    for (const { subject, measured } of [...runs.slice(shift), ...runs.slice(0, shift)]) {
      const figures = await measure(subject);
      const after = await measureFloor();
      measured.push({ figures, before, after });
      before = after;
    }
  }
  return Object.keys(floors[0] ?? {}).flatMap((figure) => {
    const of = (/** @type {Figures} */ figures) => figures[figure] ?? Number.NaN;
    return [
      { subject: 'floor', figure, value: summary(floors.map(of)), ratio: undefined },
      ...runs.map(({ subject, measured }) => ({
        subject,
        figure,
        value: summary(measured.map(({ figures }) => of(figures))),
        ratio: summary(
          measured.map(({ figures, before, after }) => of(figures) / ((of(before) + of(after)) / 2)),
        ),
      })),
    ];
  });
}
