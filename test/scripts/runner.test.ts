/** What `npm test` makes of the files: lanes, order, what a file that dies or is skipped comes to, and flaky ones. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { laneOf, testFiles } from '#scripts/test/files.mjs';
import { inLanes } from '#scripts/test/lanes.mjs';
import { sweepNamespaces } from '#scripts/test/leftovers.mjs';
import { runFile } from '#scripts/test/run-file.mjs';
import { Totals } from '#scripts/test/totals.mjs';
import { needs } from '../kit/capabilities.js';
import { startChild } from '../kit/child.js';
import { run as execute } from '../kit/namespace.js';
import { inRepo } from '../kit/paths.js';

t.test('the suite is every file but the deep ones', async (t) => {
  const all = testFiles({ deep: false, wanted: [] });
  t.ok(all.includes('test/scripts/runner.test.ts'));
  t.same(
    all.filter((path) => path.startsWith('test/deep/')),
    [],
  );
  t.same(testFiles({ deep: false, wanted: ['test/scripts/runner.test.ts'] }), [
    'test/scripts/runner.test.ts',
  ]);
  t.throws(() => testFiles({ deep: false, wanted: ['test/nowhere'] }), {
    message: 'there is no test/nowhere',
  });
});

t.test('a lane runs as many at once as it has places, in order', async (t) => {
  const running = new Map<string, number>();
  const most = new Map<string, number>();
  const begun: string[] = [];
  const items = ['a1', 'a2', 'a3', 'b1', 'b2', 'b3', 'b4'];
  await inLanes(
    items,
    ([lane]) => `${lane}`,
    { a: 1, b: 2 },
    async (item) => {
      const lane = `${item[0]}`;
      begun.push(item);
      running.set(lane, (running.get(lane) ?? 0) + 1);
      most.set(lane, Math.max(most.get(lane) ?? 0, running.get(lane) ?? 0));
      await new Promise((resolve) => setImmediate(resolve));
      running.set(lane, (running.get(lane) ?? 0) - 1);
    },
  );
  t.same(begun.toSorted(), items);
  t.same(
    begun.filter((item) => item.startsWith('a')),
    ['a1', 'a2', 'a3'],
  );
  t.same(
    [...most],
    [
      ['a', 1],
      ['b', 2],
    ],
  );
  t.equal(laneOf('test/guest/x.test.ts'), 'guest');
  t.equal(laneOf('test/guest/table1.test.ts'), 'alone');
  t.equal(laneOf('test/native/frames/x.test.ts'), 'native');
  t.equal(laneOf('test/unit/x.test.ts'), 'other');
});

/** False for one that has ended and waits for its parent to notice. */
function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}/fd/0`);
}

/** A script where a compiled test would be. Returns the path of the test. */
function made(t: Test, script: string): string {
  const name = `runner-${process.pid}-${t.name.replace(/\W+/g, '-')}`;
  const directory = inRepo('.cache/compiled/test/made');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${name}.test.js`);
  writeFileSync(file, script);
  t.teardown(() => rmSync(file, { force: true }));
  return `test/made/${name}.test.ts`;
}

/** Runs a script as if it were a compiled test. */
const run = (t: Test, script: string) => runFile(made(t, script), {});

t.test('how a file ends', async (t) => {
  await t.test('well', async (t) => {
    const { ok, report } = await run(
      t,
      `import t from 'tap';\nt.equal(1, 1);\nt.test('a', async (t) => t.ok(1));`,
    );
    t.match({ ok, passed: report.passed, failed: report.failed }, { ok: true, passed: 2, failed: 0 });
  });
  await t.test('with a failed point', async (t) => {
    const { ok, report } = await run(t, `import t from 'tap';\nt.equal(1, 2, 'one is two');`);
    t.match({ ok, failed: report.failed }, { ok: false, failed: 1 });
    t.match(report.failures, [/one is two$/]);
  });
  await t.test('by a crash, after points that passed', async (t) => {
    const { ok, report, output } = await run(
      t,
      `import t from 'tap';\nt.equal(1, 1);\nconsole.error('last words');\nprocess.kill(process.pid, 'SIGKILL');`,
    );
    t.match({ ok, failed: report.failed }, { ok: false, failed: 1 });
    t.match(output, /ended with SIGKILL/);
    t.match(output, /last words/);
  });
  await t.test('by a status alone', async (t) => {
    const { ok, report } = await run(
      t,
      `console.log('1..1');\nconsole.log('ok 1 - fine');\nprocess.exitCode = 3;`,
    );
    t.match({ ok, failed: report.failed }, { ok: false, failed: 1 });
  });
  await t.test('skipped as a whole', async (t) => {
    const { ok, report } = await run(t, `import t from 'tap';\nt.plan(0, 'needs root: this is not root');`);
    t.ok(ok);
    t.match(report.skipped, [{ reason: 'needs root: this is not root' }]);
  });
  await t.test('without a test', async (t) => {
    const { ok } = await run(t, `import 'tap';`);
    t.notOk(ok);
  });
  await t.test('with a child that holds its pipes', async (t) => {
    const { ok } = await run(
      t,
      `import t from 'tap';\nimport { spawn } from 'node:child_process';\nt.ok(1);\n` +
        `spawn('sleep', ['20'], { stdio: 'inherit', detached: true }).unref();`,
    );
    t.ok(ok);
  });
});

t.test(
  'a signal to the runner alone ends the tests, what they have started, and their namespaces',
  { skip: needs('root', 'ip') },
  async (t) => {
    const endless = made(
      t,
      `import { spawn, spawnSync } from 'node:child_process';
      import { writeFileSync } from 'node:fs';
      const netns = 'tapfd-' + process.pid + '-left';
      spawnSync('ip', ['netns', 'add', netns]);
      const { pid } = spawn('sleep', ['1000']);
      writeFileSync(process.env.TOLD, JSON.stringify({ netns, pids: [process.pid, pid] }));
      setInterval(() => undefined, 1000);`,
    );
    const directory = t.testdir();
    // The runner keeps what its tests print until they end: this one says it to a file.
    const told = join(directory, 'told');
    const module = `
      import { runFile } from '#scripts/test/run-file.mjs';
      await runFile(process.argv[1], { TOLD: process.argv[2] });`;
    const runner = startChild(module, [endless, told]);
    t.teardown(() => runner.kill('SIGKILL'));
    while (!existsSync(told) || readFileSync(told, 'utf8') === '') await wait(20);
    const { netns, pids }: { netns: string; pids: number[] } = JSON.parse(readFileSync(told, 'utf8'));
    t.teardown(async () => {
      for (const pid of pids.filter(isRunning)) process.kill(pid, 'SIGKILL');
      await execute('ip', 'netns', 'delete', netns).catch(() => undefined);
    });
    runner.kill('SIGINT');
    t.match(await runner.ended, { signal: 'SIGINT' });
    t.notOk(existsSync(`/run/netns/${netns}`), 'the namespace is gone');
    while (pids.some(isRunning)) await wait(20);
  },
);

t.test(
  'the next run removes the namespaces of processes that were killed',
  { skip: needs('root', 'ip') },
  async (t) => {
    const ended = startChild('');
    await ended.ended;
    const [left, ours, others] = [
      `tapfd-${ended.pid}-left`,
      `tapfd-${process.pid}-kept`,
      `${ended.pid}-kept`,
    ];
    for (const name of [left, ours, others]) {
      await execute('ip', 'netns', 'add', name);
      t.teardown(() => execute('ip', 'netns', 'delete', name).catch(() => undefined));
    }
    sweepNamespaces();
    t.same(
      [left, ours, others].map((name) => existsSync(`/run/netns/${name}`)),
      [false, true, true],
    );
  },
);

t.test('in CI a file that passes alone is flaky, and what needs nothing must not be skipped', async (t) => {
  const failed = await run(t, `import t from 'tap';\nt.fail('now and then');`);
  const passed = await run(t, `import t from 'tap';\nt.pass('now and then');`);
  const skipped = await run(t, `import t from 'tap';\nt.test('x', { skip: 'no wish to' }, () => {});`);
  const told = (totals: Totals) => {
    const lines: string[] = [];
    totals.tell((line) => lines.push(line));
    return lines.join('\n');
  };
  const totals = new Totals({ inCi: true, missing: {} });
  totals.add(failed);
  t.match(told(totals), /failed:\n.*now and then\n0 passed, 1 failed$/);
  t.same(totals.failedFiles(), [failed]);
  totals.replaceFlaky(failed, passed);
  t.match(told(totals), /^flaky: .*now and then\n1 passed, 0 failed$/);
  totals.add(skipped);
  t.match(told(totals), /skipped, though this machine can run it: .*\n1 skipped\n1 passed, 1 failed$/);
  t.match(told(new Totals({ inCi: false, missing: {} })), /no test ran\n0 passed, 1 failed$/);
});
