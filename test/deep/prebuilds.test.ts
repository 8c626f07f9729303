/**
 * What `npm run prebuilds` made runs: with Node on x64, with Node in an emulator on arm64 with glibc. No Node for musl is in
 * npm's registry: there, the addon is loaded by musl's own loader, and the parts of it that need no Node run as programs.
 *
 * qemu-user passes on the ioctls that open and set up a TAP, and netlink. Speed, signals and threads under it are not those of
 * a real machine: nothing is said of them here.
 */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { onDemandDirectory } from '#scripts/on-demand.mjs';
import { readSharedObject } from '#scripts/prebuilds/elf.mjs';
import { TARGETS, type Target } from '#scripts/prebuilds/targets.mjs';
import { needs } from '../kit/capabilities.js';
import { addFile, IMPORTING, READ_A_FRAME, runIn } from '../kit/matrix.js';
import { ownNamespace } from '../kit/namespace.js';
import { RTNL_PARTS } from '../kit/native-program.js';
import { inRepo } from '../kit/paths.js';
import { buildFor, buildMuslLoader, emulator, nativeProgram, runFor } from '../kit/prebuilt.js';
import { installedProject, pack, workingTree } from '../kit/release.js';

const PROGRAMS: { name: string; parts: string[]; args?: string[]; says: RegExp }[] = [
  { name: 'frames/checksum_test', parts: ['frames/checksum.cc'], says: /^\d+ sums$/ },
  { name: 'links/rtnl_message_test', parts: RTNL_PARTS, says: /^all right$/ },
  {
    name: 'sys/unix_socket_test',
    parts: ['sys/unix_socket.cc'],
    args: ['a message that comes after an empty look keeps its descriptors'],
    says: /^so it is$/,
  },
];

/** Links, descriptors over sockets, and a TAP. */
const IN_AN_EMULATOR = `
  import { FdSocket, links, openTap } from 'tapfd';
  console.log(process.arch, (await links.list()).map(({ name }) => name).join());
  const bridge = await links.create({ kind: 'bridge', name: 'br0' });
  await links.set('br0', { mtu: 1400, up: true });
  console.log('br0', (await links.get('br0')).mtu);
  const [one, other] = FdSocket.pair();
  await one.send('hello', [0]);
  const { data, fds } = await other.receive();
  console.log(String(data), fds.length);
  one.close();
  other.close();
  const tap = await openTap();
  console.log('opened', tap.name);
  await tap.close();
`;

const targets: Record<string, Target> = Object.fromEntries(
  TARGETS.map((target) => [`${target.arch} ${target.libc}`, target]),
);

t.test(
  'the tarball with all prebuilds',
  { skip: needs('root', 'tun-device', 'netns', 'ip', 'prebuilds') },
  async (t) => {
    const tree = workingTree(t);
    cpSync(inRepo('prebuilds'), join(tree, 'prebuilds'), { recursive: true });
    const { path, files, bytes } = await pack(tree);
    t.ok(bytes < 2_000_000, `${bytes} bytes`);
    t.same(files.filter((file) => file.endsWith('.node')).sort(), TARGETS.map(({ file }) => file).sort());
    const project = await installedProject(t, path);
    addFile(project, 'imports.mjs', `${IMPORTING} console.log(await read());`);
    addFile(project, 'emulated.mjs', IN_AN_EMULATOR);

    t.test('this machine, with glibc', async (t) => {
      const ns = await ownNamespace(t);
      t.equal(await runIn(ns, project, process.execPath, 'imports.mjs'), READ_A_FRAME);
    });

    t.test('arm64 with glibc', { skip: needs('qemu-aarch64', 'arm64-runtime') }, async (t) => {
      const ns = await ownNamespace(t);
      const node = join(
        onDemandDirectory('test/package/matrix/runtimes-arm64'),
        'node_modules/node22/bin/node',
      );
      const command = [...emulator(targets['arm64 glibc']), node];
      const said = await runIn(ns, project, ...command, 'emulated.mjs');
      t.match(said, /^arm64 lo\nbr0 1400\nhello 1\nopened tap\d+\n$/);
      t.equal(await runIn(ns, project, ...command, 'imports.mjs'), READ_A_FRAME);
    });
  },
);

for (const target of [targets['x64 musl'], targets['arm64 musl']]) {
  const skip = target.arch === process.arch ? needs('prebuilds') : needs('prebuilds', 'qemu-aarch64');
  t.test(`${target.arch} with musl: parts of the addon as programs`, { skip }, async (t) => {
    const directory = t.testdir();
    for (const { name, parts, args = [], says } of PROGRAMS) {
      const program = await buildFor(
        target,
        directory,
        name.replace('/', '-'),
        ...nativeProgram(name, parts),
      );
      t.match(await runFor(target, program, ...args), says, name);
    }
  });
}

t.test("x64 with musl: the addon in musl's loader", { skip: needs('prebuilds', 'musl') }, async (t) => {
  const addon = inRepo(targets['x64 musl'].file);
  const { undefinedSymbols } = readSharedObject(readFileSync(addon));
  const ofNode = undefinedSymbols.map(({ name }) => name).filter((name) => /^(napi|uv)_/.test(name));
  const loader = await buildMuslLoader(t.testdir(), ofNode);
  t.equal(await runFor(targets['x64 musl'], loader, addon), 'loads');
  const tooFew = await buildMuslLoader(t.testdir(), ofNode.slice(1));
  await t.rejects(runFor(targets['x64 musl'], tooFew, addon), 'a symbol that is missing is seen');
});
