/** How the addon was linked and compiled: an attacker who finds a fault in it should find nothing that helps. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import t from 'tap';
import { importedFunctions } from '../kit/failing-syscalls.js';
import { inRepo } from '../kit/paths.js';

const prebuilds = inRepo(`prebuilds/linux-${process.arch}`);
const addons = [
  inRepo('build/Release/tapfd.node'),
  ...(existsSync(prebuilds) ? readdirSync(prebuilds).map((name) => `${prebuilds}/${name}`) : []),
];

async function readelf(...args: string[]): Promise<string> {
  return (await promisify(execFile)('readelf', ['--wide', ...args])).stdout;
}

for (const addon of addons) {
  t.test(addon.slice(inRepo('').length), async (t) => {
    const dynamic = await readelf('--dynamic', addon);
    t.match(dynamic, /FLAGS_1\W.*\bNOW\b/, 'the addresses of functions are found at once');
    const segments = await readelf('--segments', addon);
    t.match(segments, /GNU_RELRO/, 'and then write-protected');
    t.match(segments, /GNU_STACK.* RW /, 'a stack that holds no code');
    const imported = importedFunctions(addon);
    t.ok(imported.includes('__stack_chk_fail'), 'stack protector');
    // musl has none.
    t.ok(
      addon.endsWith('.musl.node') ||
        imported.some((name) => /^__\w+_chk$/.test(name) && name !== '__stack_chk_fail'),
      "the C library's checked functions",
    );
  });
}
