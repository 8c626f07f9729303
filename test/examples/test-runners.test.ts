/** The test kit under each runner: a test that passes, and one that times out and leaves nothing. */
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { onDemandDirectory } from '#scripts/on-demand.mjs';
import { MATRIX_TOOLS } from '#scripts/test/capabilities.mjs';
import { needs } from '../kit/capabilities.js';
import { inRepo } from '../kit/paths.js';
import { processesWith } from '../kit/processes.js';
import { startProgram } from '../kit/started-program.js';

const NODE = process.execPath;
const skip = needs('root', 'tun-device', 'ping', 'ip', 'matrix-tools');

interface Runner {
  name: string;
  /** Runs one file of examples/testing. */
  command: string[];
  file: string;
}

const RUNNERS: Runner[] = [
  { name: 'node:test', command: [NODE, '--test'], file: 'node-test.mjs' },
  { name: 'node:test, in memory', command: [NODE, '--test'], file: 'frame-unit-test.mjs' },
  { name: 'tap', command: [NODE], file: 'tap.mjs' },
  { name: 'Vitest', command: [NODE, 'node_modules/vitest/vitest.mjs', 'run'], file: 'vitest.test.mjs' },
  {
    name: 'Jest',
    command: [NODE, '--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'],
    file: 'jest.test.mjs',
  },
];

/** A project that has the library and the runners installed. */
function project(t: Test): string {
  const directory = t.testdir({
    'package.json': '{ "type": "module", "jest": { "transform": {}, "testMatch": ["**/*.test.mjs"] } }',
  });
  cpSync(inRepo('examples/testing'), directory, { recursive: true });
  const tool = (name: string) => [name, join(onDemandDirectory(MATRIX_TOOLS), 'node_modules', name)];
  const packages = ['vitest', 'jest', '@jest/globals'].map(tool);
  packages.push(['tapfd', inRepo('.')], ['tap', inRepo('node_modules/tap')]);
  for (const [name, path] of packages) {
    const place = join(directory, 'node_modules', name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(path, place);
  }
  return directory;
}

/** Not the settings of the runner that runs this test. */
function environment(more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(TAP|NODE_|VITEST|JEST)/.test(name));
  return { ...Object.fromEntries(own), ...more };
}

for (const { name, command, file } of RUNNERS) {
  t.test(name, { skip }, async (t) => {
    const cwd = project(t);
    const [program, ...args] = [...command, file];
    const passes = await startProgram(program, args, { cwd, env: environment({}) }).ended;
    t.equal(passes.code, 0, passes.printed);
    if (file === 'frame-unit-test.mjs') return;
    const mark = `3${process.pid}.${RUNNERS.findIndex((runner) => runner.name === name)}`;
    const timesOut = startProgram(program, args, { cwd, env: environment({ TRY_TIME_OUT: mark }) });
    await timesOut.printed(/holds tap0, and the program \d+/);
    const { code, printed } = await timesOut.ended;
    t.not(code, 0, 'the run failed, and ended');
    t.match(printed, /time-?out|timed out/i);
    t.same(processesWith(`sleep ${mark}`), [], 'no program is left');
    t.same(processesWith(cwd), [], 'and no process of the runner');
  });
}
