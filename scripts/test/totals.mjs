/** The results of all files together. */
import { capabilityInReason } from './capabilities.mjs';

/** @typedef {import('./run-file.mjs').FileResult} FileResult */

export class Totals {
  /** Failures outside any file: coverage, leftovers. @type {string[]} */
  #others = [];
  /** @type {FileResult[]} */
  #files = [];
  /** @type {string[]} */
  #flaky = [];
  #inCi;
  #missing;

  /** @param {{inCi: boolean, missing: Record<string, import('./capabilities.mjs').Lack>}} circumstances */
  constructor({ inCi, missing }) {
    this.#inCi = inCi;
    this.#missing = missing;
  }

  /** @param {FileResult} file */
  add(file) {
    this.#files.push(file);
  }

  /** @param {string} what */
  addFailure(what) {
    this.#others.push(what);
  }

  /** @returns {FileResult[]} */
  failedFiles() {
    return this.#files.filter(({ ok }) => !ok);
  }

  /**
   * A file that passed when it was run alone counts as passed; what had failed is reported as flaky.
   *
   * @param {FileResult} failed
   * @param {FileResult} again
   */
  replaceFlaky(failed, again) {
    this.#files[this.#files.indexOf(failed)] = again;
    this.#flaky.push(...failed.report.failures);
  }

  /**
   * Runs what has failed once more, alone.
   *
   * @param {(path: string) => Promise<FileResult>} run
   * @param {(text: string) => void} say
   */
  async runFailedAgain(run, say) {
    for (const failed of this.failedFiles()) {
      say(`\n-- once more, alone: ${failed.path}`);
      const again = await run(failed.path);
      say(again.output);
      if (again.ok) this.replaceFlaky(failed, again);
    }
  }

  /** @param {number} count */
  slowest(count) {
    return this.#files.toSorted((a, b) => b.seconds - a.seconds).slice(0, count);
  }

  /** Names of what failed. */
  get failures() {
    const ofFiles = this.#files.flatMap(({ report }) => report.failures);
    const ran = this.#files.some(({ report }) => report.passed + report.failed + report.skipped.length > 0);
    return [...ofFiles, ...this.#others, ...this.#skippedWithoutNeed(), ...(ran ? [] : ['no test ran'])];
  }

  /**
   * Prints the end of a run: what was skipped and why, what is flaky, what failed, and the count.
   *
   * @param {(text: string) => void} say
   */
  tell(say) {
    for (const [capability, { problem, remedy }] of Object.entries(this.#missing)) {
      say(`missing on this machine: ${capability}: ${problem}; remedy: ${remedy}`);
    }
    for (const [reason, names] of this.#skippedByReason()) {
      say(`skipped, ${reason === '' ? 'no reason given' : reason}:`);
      for (const name of names) say(`  ${name}`);
    }
    for (const name of this.#flaky) say(`flaky: ${name}`);
    const failures = this.failures;
    if (failures.length > 0) say(['failed:', ...failures].join('\n  '));
    const skipped = this.#skipped().length;
    if (skipped > 0) say(`${skipped} skipped`);
    const passed = this.#files.reduce((sum, { report }) => sum + report.passed, 0);
    say(`${passed} passed, ${failures.length} failed`);
  }

  #skipped() {
    return this.#files.flatMap(({ report }) => report.skipped);
  }

  #skippedByReason() {
    /** @type {Map<string, string[]>} */
    const byReason = new Map();
    for (const { name, reason } of this.#skipped())
      byReason.set(reason, [...(byReason.get(reason) ?? []), name]);
    return byReason;
  }

  /** In CI a test counts as failed if it is skipped although the machine has what it needs. */
  #skippedWithoutNeed() {
    if (!this.#inCi) return [];
    return this.#skipped()
      .filter(({ reason }) => !Object.hasOwn(this.#missing, capabilityInReason(reason) ?? ''))
      .map(({ name }) => `skipped, though this machine can run it: ${name}`);
  }
}
