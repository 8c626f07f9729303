/**
 * As much of tap as the tests use, for runtimes that cannot load it: Bun has no `v8.Serializer`, and Deno's call sites are
 * not those that tap's stacks expect. scripts/test/runtimes.mjs puts it in tap's place. Comparisons are tap's own
 * (tcompare), and so is the output: TAP, with a diagnostic for each failure.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { match, matchOnly, type Result, same, strict } from 'tcompare';

type Skip = string | boolean;
type Body = (t: Test) => unknown;
type Directory = { [name: string]: string | Buffer | Link | Directory };

interface Options {
  skip?: Skip;
}

class Link {
  constructor(readonly target: string) {}
}

/** Says in place of a test's body that it cannot run here. */
class Skipped extends Error {}

/** The first thing that goes wrong outside of any body is the innermost running test's. */
let innermost: Test;

export class Test {
  readonly name: string;
  jobs = 1;
  readonly #indent: string;
  #points = 0;
  #failed = 0;
  #plan: number | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  readonly #teardowns: (() => unknown)[] = [];
  #end: () => void = () => undefined;

  constructor(name: string, indent: string) {
    this.name = name;
    this.#indent = indent;
  }

  get passing(): boolean {
    return this.#failed === 0;
  }

  test(name: string, ...rest: [Body] | [Options, Body]): Promise<void> {
    if (this === file && isOver) throw new Error(`a test after the end of the file: ${name}`);
    const options = rest.length === 2 ? rest[0] : {};
    const body = rest[rest.length - 1] as Body;
    this.#waiting += 1;
    const run = this.#queue.then(() => this.#runChild(name, options.skip ?? false, body));
    this.#queue = run.then(() => {
      this.#waiting -= 1;
      if (this === file && this.#waiting === 0) setTimeout(endIfIdle, 0);
    });
    return run;
  }

  async #runChild(name: string, skip: Skip, body: Body): Promise<void> {
    if (skip !== false) {
      this.#say(`ok ${++this.#points} - ${escaped(name)} # SKIP ${skip === true ? '' : escaped(skip)}`);
      return;
    }
    const child = new Test(name, `${this.#indent}    `);
    this.#say(`# Subtest: ${escaped(name)}`);
    innermost = child;
    const skipped = await child.run(body);
    innermost = this;
    if (skipped === undefined) this.#point(child.passing, name, undefined, false);
    else this.#say(`ok ${++this.#points} - ${escaped(name)} # SKIP ${escaped(skipped)}`);
  }

  /** Returns why it was skipped, if it was. */
  async run(body: Body): Promise<string | undefined> {
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve;
    });
    let skipped: string | undefined;
    try {
      const value = body(this);
      // As tap: a body that returns no promise ends by end().
      await (value instanceof Promise ? value : ended);
      await this.#queue;
    } catch (error) {
      if (error instanceof Skipped) skipped = error.message;
      else this.threw(error);
    }
    for (const teardown of this.#teardowns.reverse()) {
      try {
        await teardown();
      } catch (error) {
        this.threw(error);
      }
    }
    this.close();
    return skipped;
  }

  close(): void {
    if (this.#plan !== undefined && this.#plan !== this.#points)
      this.fail(`the plan was ${this.#plan} points`);
    this.#say(`1..${this.#points}`);
  }

  /** Whether all tests have come to their end. */
  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  async tearDown(): Promise<void> {
    for (const teardown of this.#teardowns.reverse()) await teardown();
  }

  threw(error: unknown): void {
    this.#point(false, error instanceof Error ? error.message : String(error), error);
  }

  #say(line: string): void {
    process.stdout.write(`${this.#indent}${line}\n`);
  }

  #point(ok: boolean, name: string, diagnostic?: unknown, stack = true): boolean {
    this.#points += 1;
    if (!ok) {
      this.#failed += 1;
      process.exitCode = 1;
    }
    this.#say(`${ok ? 'ok' : 'not ok'} ${this.#points} - ${escaped(name)}`);
    if (ok) return true;
    const text = diagnostic instanceof Error ? `${diagnostic.stack ?? diagnostic}` : String(diagnostic ?? '');
    const where = diagnostic instanceof Error || !stack ? '' : (new Error('here').stack ?? '');
    this.#say('  ---');
    for (const line of `${text}\n${where}`.trim().split('\n')) this.#say(`  ${line}`);
    this.#say('  ...');
    return false;
  }

  #compare(result: Result, wanted: boolean, name: string): boolean {
    return this.#point(result.match === wanted, name, result.diff);
  }

  end(): void {
    this.#end();
  }
  plan(points: number, reason?: string): void {
    if (points === 0) throw new Skipped(reason ?? '');
    this.#plan = points;
  }
  comment(...what: unknown[]): void {
    this.#say(`# ${what.join(' ').replaceAll('\n', `\n${this.#indent}# `)}`);
  }
  setTimeout(_ms: number): void {}
  teardown(run: () => unknown): void {
    this.#teardowns.push(run);
  }

  pass(name = 'pass'): boolean {
    return this.#point(true, name);
  }
  fail(name = 'fail', ..._extra: unknown[]): boolean {
    return this.#point(false, name);
  }
  ok(value: unknown, name = 'is truthy'): boolean {
    return this.#point(Boolean(value), name, `found ${String(value)}`);
  }
  notOk(value: unknown, name = 'is falsy'): boolean {
    return this.#point(!value, name, `found ${String(value)}`);
  }
  equal(found: unknown, wanted: unknown, name = 'is equal'): boolean {
    return this.#point(Object.is(found, wanted), name, strict(found, wanted).diff || 'not the same object');
  }
  not(found: unknown, unwanted: unknown, name = 'is not equal'): boolean {
    return this.#point(!Object.is(found, unwanted), name, `found ${String(found)}`);
  }
  same(found: unknown, wanted: unknown, name = 'is equivalent'): boolean {
    return this.#compare(same(found, wanted), true, name);
  }
  strictSame(found: unknown, wanted: unknown, name = 'is strictly equivalent'): boolean {
    return this.#compare(strict(found, wanted), true, name);
  }
  strictNotSame(found: unknown, unwanted: unknown, name = 'is not strictly equivalent'): boolean {
    return this.#compare(strict(found, unwanted), false, name);
  }
  matchOnly(found: unknown, pattern: unknown, name = 'matches, with nothing besides'): boolean {
    return this.#compare(matchOnly(found, pattern), true, name);
  }
  match(found: unknown, pattern: unknown, name = 'matches'): boolean {
    return this.#compare(match(found, pattern), true, name);
  }
  notMatch(found: unknown, pattern: unknown, name = 'does not match'): boolean {
    return this.#compare(match(found, pattern), false, name);
  }
  type(found: unknown, wanted: unknown, name = 'is of the type'): boolean {
    const is =
      typeof wanted === 'function'
        ? found instanceof (wanted as abstract new () => unknown)
        : typeof found === wanted;
    return this.#point(is, name, `found ${typeof found}`);
  }

  throws(call: () => unknown, ...rest: unknown[]): boolean {
    const { wanted, name } = expectation(rest, 'throws');
    try {
      call();
    } catch (error) {
      return this.#failure(error, wanted, name);
    }
    return this.#point(false, name, 'threw nothing');
  }
  doesNotThrow(call: () => unknown, name = 'does not throw'): boolean {
    try {
      call();
      return this.#point(true, name);
    } catch (error) {
      return this.#point(false, name, error);
    }
  }
  async rejects(what: Promise<unknown> | (() => Promise<unknown>), ...rest: unknown[]): Promise<boolean> {
    const { wanted, name } = expectation(rest, 'rejects');
    try {
      await (typeof what === 'function' ? what() : what);
    } catch (error) {
      return this.#failure(error, wanted, name);
    }
    return this.#point(false, name, 'was fulfilled');
  }
  async resolves(what: Promise<unknown> | (() => Promise<unknown>), name = 'is fulfilled'): Promise<boolean> {
    try {
      await (typeof what === 'function' ? what() : what);
      return this.#point(true, name);
    } catch (error) {
      return this.#point(false, name, error);
    }
  }
  #failure(error: unknown, wanted: unknown, name: string): boolean {
    if (wanted === undefined) return this.#point(true, name);
    if (typeof wanted === 'function') return this.type(error, wanted, name);
    if (wanted instanceof RegExp)
      return this.match(error instanceof Error ? error.message : error, wanted, name);
    return this.match(error, wanted instanceof Error ? { message: wanted.message } : wanted, name);
  }

  testdir(content: Directory = {}): string {
    const directory = mkdtempSync(join(tmpdir(), 'tapfd-test-'));
    fill(directory, content);
    this.teardown(() => rmSync(directory, { recursive: true, force: true }));
    return directory;
  }
  fixture(_kind: 'symlink', target: string): Link {
    return new Link(target);
  }
  /** A process that runs tests itself. */
  spawn(command: string, args: string[], options: object = {}, name = command): Promise<void> {
    return this.test(name, async (t) => {
      const child = spawn(command, args, { ...options, stdio: 'inherit' });
      const code = await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));
      t.equal(code, 0, 'it ended well');
    });
  }
  capture(): never {
    throw new Skipped('needs node: methods are replaced by tap');
  }
  mockImport(): never {
    throw new Skipped('needs node: modules are replaced by tap');
  }
  createMock(): never {
    throw new Skipped('needs node: modules are replaced by tap');
  }
}

function expectation(rest: unknown[], standard: string): { wanted: unknown; name: string } {
  const [first, second] = rest;
  if (typeof first === 'string') return { wanted: undefined, name: first };
  return { wanted: first, name: typeof second === 'string' ? second : standard };
}

function fill(directory: string, content: Directory): void {
  for (const [name, entry] of Object.entries(content)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    if (entry instanceof Link) symlinkSync(entry.target, path);
    else if (typeof entry === 'string' || Buffer.isBuffer(entry)) writeFileSync(path, entry);
    else {
      mkdirSync(path);
      fill(path, entry);
    }
  }
}

function escaped(name: string): string {
  return name.replace(/[#\\]/g, '\\$&').replaceAll('\n', ' ');
}

const file = new Test('', '');
innermost = file;
let isOver = false;

process.stdout.write('TAP version 14\n');
process.on('uncaughtException', (error) => innermost.threw(error));
process.on('exit', (code) => {
  if (!isOver) failInTheMiddle(`ended with ${code}`);
});
// Whatever keeps the process alive after its last test is a failure: the runner's time-out.
process.on('beforeExit', () => {
  if (isOver) return;
  if (!file.isIdle) failInTheMiddle('has nothing left to wait for');
  endFile();
});

/** As tap: a file ends when no test waits; what it tears down may be what keeps the process alive. */
function endIfIdle(): void {
  if (!isOver && file.isIdle) endFile();
}

function endFile(): void {
  isOver = true;
  void file.tearDown().then(() => file.close());
}

/** Not left to the exit code, which Bun has chosen by then. */
function failInTheMiddle(how: string): void {
  innermost.fail(`the process ${how} in the middle of: ${innermost.name || 'the file'}`);
  process.exitCode = 1;
}

/** A plan of no points is that of the file: it ends here. */
export default Object.assign(file, {
  plan(points: number, reason = ''): void {
    if (points !== 0) throw new Error('a plan of the file is not supported');
    process.stdout.write(`1..0 # SKIP ${escaped(reason)}\n`);
    isOver = true;
    process.exit(0);
  },
});
