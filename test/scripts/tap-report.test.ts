import t from 'tap';
import { TapReport } from '#scripts/test/tap-report.mjs';

function report(tap: string): { report: TapReport; printed: string[] } {
  const printed: string[] = [];
  const report = new TapReport((line) => printed.push(line));
  for (const line of tap.split('\n')) report.addLine(line);
  return { report, printed };
}

t.test('points are counted where they stand, not the subtests around them', async (t) => {
  const { report: found, printed } = report(`TAP version 14
1..1
# Subtest: test/a.test.ts
    # Subtest: one
        ok 1 - should be equal
        ok 2 - a name with \\# SKIP in it
        1..2
    ok 1 - one # time=5.261ms

    # Subtest: outer
        # Subtest: inner
            ok 1 - deep
            1..1
        ok 1 - inner # time=1.532ms

        ok 2 - later # TODO
        1..2
    ok 2 - outer # time=3.308ms

    ok 3 - no root # SKIP needs root: not root
    1..3
    # time=18.421ms
ok 1 - test/a.test.ts # time=1218.421ms

# { total: 5, pass: 3, todo: 1, skip: 1 }
# time=1230ms`);
  t.equal(found.passed, 3);
  t.equal(found.failed, 0);
  t.same(found.skipped, [
    { name: 'test/a.test.ts > outer > later', reason: 'todo' },
    { name: 'test/a.test.ts > no root', reason: 'needs root: not root' },
  ]);
  t.same(printed, ['ok     test/a.test.ts: 3 passed, 2 skipped, 1.2 s']);
});

t.test('a failure is counted once and shown whole', async (t) => {
  const { report: found, printed } = report(`# Subtest: test/b.test.ts
    # Subtest: fails
        not ok 1 - should be equal
          ---
          compare: ===
          diff: |
            not ok 7 - a line that only looks like a point
          ...

        ok 2 - should be equal
        1..2
    not ok 1 - fails # time=24.5ms
      ---
      at:
        lineNumber: 2
      ...
    1..1
not ok 1 - test/b.test.ts # time=50.7ms
  ---
  exitCode: 1
  ...`);
  t.equal(found.passed, 1);
  t.equal(found.failed, 1);
  t.same(found.failures, ['test/b.test.ts > fails > should be equal']);
  t.same(printed, [
    'FAILED test/b.test.ts > fails > should be equal',
    '  compare: ===',
    '  diff: |',
    '    not ok 7 - a line that only looks like a point',
    '',
    'FAILED test/b.test.ts: 1 passed, 1 failed, 0.1 s',
  ]);
});

t.test('a file that dies is a failure, though every point before it passed', async (t) => {
  const { report: found, printed } = report(`# Subtest: test/c.test.ts
    # Subtest: crash
        # Subtest: nest
            ok 1 - should be equal
        1..0 # no tests found
    free(): invalid pointer
    # test count(1) != plan(null)
not ok 3 - test/c.test.ts # time=1040.483ms
  ---
  signal: SIGSEGV
  ...`);
  t.equal(found.passed, 1);
  t.equal(found.failed, 1);
  t.same(printed, [
    'FAILED test/c.test.ts',
    '  what it printed:',
    '  | free(): invalid pointer',
    'FAILED test/c.test.ts: 1 passed, 1 failed, 1.0 s',
    '  signal: SIGSEGV',
    '',
  ]);
});

t.test('time-outs, bail-outs and skipped files', async (t) => {
  const { report: found } = report(`# Subtest: test/slow.test.ts
    ok 1 - fast
not ok 5 - timeout!
  ---
  expired: test/slow.test.ts
  ...
# Subtest: test/skipped.test.ts
    1..0 # needs qemu
ok 4 - test/skipped.test.ts # SKIP needs qemu
# Subtest: test/bail.test.ts
    Bail out! boo
Bail out! boo`);
  t.same(found.failures, ['test/slow.test.ts', 'Bail out! boo']);
  t.equal(found.failed, 2);
  t.same(found.skipped, [{ name: 'test/skipped.test.ts', reason: 'needs qemu' }]);
});

t.test('control characters in names do not reach the log', async (t) => {
  const { report: found, printed } = report('not ok 1 - a\0b\x1b[1m');
  t.same(found.failures, ['a\\x00b\\x1b[1m']);
  t.same(printed, ['FAILED a\\x00b\\x1b[1m']);
});

t.test('what the runner says outside the files is passed on', async (t) => {
  const { printed } = report(`TAP version 14
ok 1 - test/a.test.ts # time=1ms
File      | % Stmts |
All files |     100 |
# { total: 1, pass: 1 }`);
  t.same(printed, ['File      | % Stmts |', 'All files |     100 |']);
});
