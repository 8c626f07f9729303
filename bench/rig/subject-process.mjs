/** A measured program: started once, it takes commands on standard input and answers each with a line of JSON. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Trouble } from '../../scripts/run-command.mjs';
import { entering } from './namespaces.mjs';

const PATIENCE_MS = 60_000;

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** The path of a program that is measured. @param {string} name */
export const subjectScript = (name) => fileURLToPath(new URL(`../subjects/${name}.mjs`, import.meta.url));

/**
 * Makes sure that a child ends with the bench, also where the bench is stopped or the child waits for a process that has
 * already ended.
 *
 * @template {import('node:child_process').ChildProcess} Child
 * @param {Child} child
 */
export function endingWithBench(child) {
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Pins a command to a processor, where there are several. @param {number | undefined} core @param {readonly string[]} command */
export function onCore(core, command) {
  const pinned = core !== undefined && availableParallelism() > 1;
  return pinned ? ['taskset', '-c', String(core), ...command] : [...command];
}

export class SubjectProcess {
  #child;
  #lines;
  #errors = '';
  #name;

  /**
   * @param {string[]} command program and arguments
   * @param {{namespace?: string, core?: number, name?: string}} options `core`: the processor it is pinned to
   */
  constructor(command, { namespace, core, name = command[0] } = {}) {
    this.#name = name;
    let whole = onCore(core, command);
    if (namespace !== undefined) whole = ['nsenter', ...entering(namespace), ...whole];
    this.#child = endingWithBench(spawn(whole[0], whole.slice(1), { stdio: 'pipe' }));
    this.#child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#errors += text;
    });
    this.#child.stdin.on('error', () => {}); // its output ends then too, and answer() reports why
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The next line of its output. */
  async answer() {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(
        () => reject(new Trouble(`${this.#name} did not answer\n${this.#errors}`)),
        PATIENCE_MS,
      );
    });
    try {
      const { value, done } = await Promise.race([this.#lines.next(), late]);
      if (done) throw new Trouble(`${this.#name} has ended\n${this.#errors}`);
      return JSON.parse(value);
    } finally {
      clearTimeout(timer);
    }
  }

  ask(line) {
    this.#child.stdin.write(`${line}\n`);
    return this.answer();
  }

  /** Stops the process, so that it uses no processor time until {@link resume}. */
  pause() {
    this.#child.kill('SIGSTOP');
  }

  resume() {
    this.#child.kill('SIGCONT');
  }

  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    }
  }
}
