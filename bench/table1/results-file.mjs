/**
 * The measurements, a line of JSON each, written as soon as they are made. A run that is started again resumes where the
 * file ends.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * @typedef {object} Measurement
 * @property {string} case
 * @property {string} card
 * @property {number} round
 * @property {Record<string, unknown>} parameters
 * @property {{value: number} & Record<string, unknown>} figures
 * @property {number} load the load average of the minute before it
 * @property {string} at
 *
 * @typedef {{machine: Record<string, unknown>}} Start
 */

export class ResultsFile {
  #path;
  /** @type {Measurement[]} */
  #measurements = [];
  /** @type {Start[]} one for each time the run was started */
  #starts = [];

  /** @param {string} path */
  constructor(path) {
    this.#path = path;
    if (!existsSync(path)) return;
    const text = readFileSync(path, 'utf8');
    for (const line of text.split('\n')) {
      const record = parsed(line);
      if (record?.machine !== undefined) this.#starts.push(record);
      else if (record?.case !== undefined) this.#measurements.push(record);
    }
    // A line that a dying process left unfinished must not swallow the next.
    if (text !== '' && !text.endsWith('\n')) appendFileSync(path, '\n');
  }

  get measurements() {
    return this.#measurements;
  }

  get starts() {
    return this.#starts;
  }

  /** @param {Start} start */
  addStart(start) {
    this.#append(start);
    this.#starts.push(start);
  }

  /** @param {Measurement} measurement */
  add(measurement) {
    this.#append(measurement);
    this.#measurements.push(measurement);
  }

  /**
   * Whether the file has this measurement, with the same parameters.
   *
   * @param {import('./plan.mjs').Step} step
   */
  has({ case: wanted, card, round }) {
    return this.#measurements.some((one) => isFor(one, wanted) && one.card === card && one.round === round);
  }

  /** @param {Start | Measurement} record */
  #append(record) {
    mkdirSync(dirname(this.#path), { recursive: true });
    appendFileSync(this.#path, `${JSON.stringify(record)}\n`);
  }
}

/**
 * What differs between two machines, in words: a run must not mix figures of both. The time that is recorded with a
 * machine does not count.
 *
 * @param {Record<string, unknown>} before
 * @param {Record<string, unknown>} now
 */
export function differencesOf({ startedAt: _then, ...before }, { startedAt: _now, ...now }) {
  return Object.keys(now)
    .filter((fact) => before[fact] !== now[fact])
    .map((fact) => `${fact} ${before[fact]}, now ${now[fact]}`);
}

/**
 * Whether a measurement belongs to a case. One with other parameters does not.
 *
 * @param {Measurement} measurement
 * @param {import('./case.mjs').Case} one
 */
export function isFor({ case: name, parameters }, one) {
  return name === one.name && JSON.stringify(parameters) === JSON.stringify(one.parameters);
}

/** @param {string} line */
function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
