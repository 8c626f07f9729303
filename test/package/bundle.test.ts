/** Programs that a bundler has made: tapfd beside them works, tapfd inside them says what to do. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build, type Format } from 'esbuild';
import t, { type Test } from 'tap';
import { inRepo } from '../kit/paths.js';

const PROGRAM = `
  import { FdSocket, openTap, parseMac } from 'tapfd';
  console.log('a MAC has', parseMac('02:00:00:00:00:01').length, 'bytes');
  const [one, other] = (() => { try { return FdSocket.pair(); } catch (error) { console.log(error.code, error.message); return []; } })();
  console.log(one ? 'it works' : 'it does not');
  one?.close();
  other?.close();
`;

/** Bundles {@link PROGRAM} outside the repository, and runs what comes out. */
async function runBundle(t: Test, format: Format, external: string[]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'tapfd-bundle-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'node_modules'));
  mkdirSync(join(directory, 'app/dist'), { recursive: true });
  symlinkSync(inRepo('.'), join(directory, 'node_modules/tapfd'));
  writeFileSync(join(directory, 'app/program.mjs'), PROGRAM);
  const outfile = join(directory, `app/dist/program.${format === 'esm' ? 'mjs' : 'cjs'}`);
  await build({
    entryPoints: [join(directory, 'app/program.mjs')],
    outfile,
    bundle: true,
    platform: 'node',
    format,
    external,
    logLevel: 'silent',
  });
  return (await promisify(execFile)(process.execPath, [outfile], { cwd: directory })).stdout;
}

for (const format of ['esm', 'cjs'] as const) {
  t.test(`${format}: with tapfd marked as external`, async (t) => {
    t.equal(await runBundle(t, format, ['tapfd']), 'a MAC has 6 bytes\nit works\n');
  });

  t.test(`${format}: with tapfd inside, it loads, and the first call says what to do`, async (t) => {
    const output = await runBundle(t, format, []);
    t.match(output, 'a MAC has 6 bytes\nERR_TAPFD_ADDON_NOT_FOUND there is no addon for linux-');
    t.match(output, 'mark it as external, and install it beside (docs/bundlers.md)');
    t.match(output, /it does not\n$/);
  });
}
