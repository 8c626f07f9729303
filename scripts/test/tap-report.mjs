/**
 * Reads the TAP of a test file and reports it briefly: one line for the file, failures in full, the rest counted. tap's own
 * reporters either print every point or redraw a terminal, and its totals leave out a file that crashed.
 */

/** Begins a diagnostic, two spaces deeper than the point it belongs to. */
const DIAGNOSTIC_START = /^( +)---$/;
const SUBTEST = /^( *)# Subtest(?:: (.*))?$/;
const POINT = /^( *)(not ok|ok)\b(?: \d+)?(?: - (.*))?$/;
/** The text of a point: name, then `# SKIP reason`, `# TODO reason` or `# time=…`. A "#" in the name itself is written "\#". */
const DIRECTIVE = /^(.*?)(?:^| )# ?(SKIP|TODO|time=)(.*)$/i;

/**
 * @typedef {object} Subtest
 * @property {number} indent
 * @property {string} name
 * @property {number} failed how many points inside have failed so far
 */

export class TapReport {
  passed = 0;
  failed = 0;
  /** @type {{name: string, reason: string}[]} */
  skipped = [];
  /** Names of the points that failed, the file first. @type {string[]} */
  failures = [];

  /** @type {Subtest[]} */
  #open = [];
  /** Indent of the diagnostic we are in. */
  #diagnosticEnd = '';
  #showDiagnostic = false;
  /** What the file printed that is not TAP: shown if it fails. @type {string[]} */
  #noise = [];
  #fileStart = { passed: 0, failed: 0, skipped: 0 };
  #print;

  /** @param {(line: string) => void} print */
  constructor(print) {
    // Names and output of tests may contain anything, but a log must stay text.
    this.#print = (/** @type {string} */ line) => print(printable(line));
  }

  /**
   * Counts a failure that is not a point of a test.
   *
   * @param {string} what
   */
  addFailure(what) {
    this.failed += 1;
    this.failures.push(what);
  }

  /** @param {string} line */
  addLine(line) {
    if (this.#diagnosticEnd !== '') return this.#diagnosticLine(line);
    const start = DIAGNOSTIC_START.exec(line);
    if (start !== null) {
      this.#diagnosticEnd = `${start[1]}...`;
      return;
    }
    this.#showDiagnostic = false;
    const subtest = SUBTEST.exec(line);
    if (subtest !== null) return this.#openSubtest((subtest[1] ?? '').length, unescapeName(subtest[2] ?? ''));
    const point = POINT.exec(line);
    if (point !== null && this.#isPointHere((point[1] ?? '').length)) {
      return this.#point((point[1] ?? '').length, point[2] === 'ok', point[3] ?? '');
    }
    if (/^\s*Bail out!/.test(line)) return this.#bailOut(line.trim());
    this.#otherLine(line);
  }

  /** @param {string} line */
  #diagnosticLine(line) {
    if (line === this.#diagnosticEnd) {
      this.#diagnosticEnd = '';
      if (this.#showDiagnostic) this.#print('');
    } else if (this.#showDiagnostic) {
      this.#print(`  ${line.slice(this.#diagnosticEnd.length - '...'.length)}`);
    }
  }

  /**
   * @param {number} indent
   * @param {string} name
   */
  #openSubtest(indent, name) {
    if (indent === 0) {
      this.#open = [];
      this.#noise = [];
      this.#fileStart = { passed: this.passed, failed: this.failed, skipped: this.skipped.length };
    }
    this.#open.push({ indent, name, failed: 0 });
  }

  /**
   * A point is one level inside the innermost open subtest, or closes an open one. Anything else is program output that
   * looks like one.
   *
   * @param {number} indent
   */
  #isPointHere(indent) {
    const innermost = this.#open.at(-1);
    if (innermost === undefined) return indent === 0;
    return indent === innermost.indent + 4 || this.#open.some((subtest) => subtest.indent === indent);
  }

  /**
   * @param {number} indent
   * @param {boolean} ok
   * @param {string} text
   */
  #point(indent, ok, text) {
    const directive = DIRECTIVE.exec(text);
    const kind = directive?.[2]?.toUpperCase() ?? '';
    const name = unescapeName(directive === null ? text : (directive[1] ?? '')).trim();
    const reason = unescapeName(directive?.[3] ?? '').trim();

    // A process that died leaves its inner subtests open; the point of the outer one reports it.
    while ((this.#open.at(-1)?.indent ?? -1) > indent) this.#open.pop();
    const closed = this.#open.at(-1)?.indent === indent ? this.#open.pop() : undefined;
    const path = printable([...this.#open.map((subtest) => subtest.name), closed?.name ?? name].join(' > '));

    if (kind === 'SKIP' || kind === 'TODO') {
      this.skipped.push({ name: path, reason: kind === 'TODO' ? `todo ${reason}`.trim() : reason });
    } else if (closed === undefined) {
      this.#leaf(ok, path, '');
    } else if (!ok && closed.failed === 0) {
      // No point inside failed: it crashed, timed out, or did not keep to its plan.
      this.#leaf(false, path, name === closed.name ? '' : name);
    } else {
      this.#addToOuter(closed.failed);
    }
    if (indent === 0 && closed !== undefined) this.#endFile(closed.name, ok, reason, kind);
  }

  /**
   * @param {boolean} ok
   * @param {string} path
   * @param {string} why
   */
  #leaf(ok, path, why) {
    this.#addToOuter(ok ? 0 : 1);
    if (ok) {
      this.passed += 1;
      return;
    }
    this.addFailure(path);
    this.#print(`FAILED ${path}${why === '' ? '' : ` (${why})`}`);
    this.#showDiagnostic = true;
  }

  /** @param {number} failed */
  #addToOuter(failed) {
    const outer = this.#open.at(-1);
    if (outer !== undefined) outer.failed += failed;
  }

  /**
   * @param {string} name
   * @param {boolean} ok
   * @param {string} reason
   * @param {string} kind
   */
  #endFile(name, ok, reason, kind) {
    const passed = this.passed - this.#fileStart.passed;
    const failed = this.failed - this.#fileStart.failed;
    const skipped = this.skipped.length - this.#fileStart.skipped;
    const counts = [`${passed} passed`];
    if (failed > 0) counts.push(`${failed} failed`);
    if (skipped > 0) counts.push(`${skipped} skipped`);
    const time = /^([\d.]+)ms/.exec(kind === 'TIME=' ? reason : '')?.[1];
    const seconds = time === undefined ? '' : `, ${(Number(time) / 1000).toFixed(1)} s`;
    if (!ok && this.#noise.length > 0) {
      this.#print('  what it printed:');
      for (const line of this.#noise.slice(-40)) this.#print(`  | ${line}`);
    }
    this.#print(`${ok ? 'ok    ' : 'FAILED'} ${name}: ${counts.join(', ')}${seconds}`);
  }

  /** @param {string} why */
  #bailOut(why) {
    if (this.failures.includes(why)) return;
    this.addFailure(why);
    this.#print(`FAILED ${why}`);
  }

  /** @param {string} line */
  #otherLine(line) {
    const text = line.trim();
    if (text === '' || /^(TAP version \d+|1\.\.\d+.*|# .*)$/.test(text)) return;
    // Outside any file it comes from the runner.
    if (this.#open.length === 0) this.#print(line);
    else this.#noise.push(text);
  }
}

/** @param {string} text */
function printable(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
  return text.replace(/[\0-\x08\x0b-\x1f\x7f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** @param {string} name */
function unescapeName(name) {
  return name.replace(/\\([#\\])/g, '$1');
}
