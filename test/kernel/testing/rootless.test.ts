/** The test kit without privilege: the suite as user nobody, and what keeps it from working. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createNetns, links } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { childCommand, scriptCommand } from '../../kit/child.js';
import { closedWith } from '../../kit/closed-with.js';
import { inRepo } from '../../kit/paths.js';
import { startProgram } from '../../kit/started-program.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap', 'ping', 'ip', 'user-namespace');

const NOBODY = 65534;
const NO_PROGRAMS =
  process.versions.bun !== undefined && 'needs node: Bun starts no program in a user namespace';

/** A clone device that everybody may open, as udev makes it. */
const directory = mkdtempSync(join(tmpdir(), 'tapfd-rootless-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
chmodSync(directory, 0o755);
const cloneDevice = join(directory, 'tun');
execFileSync('mknod', ['-m', '666', cloneDevice, 'c', '10', '200']);

t.test('the rootless suite as user nobody', { skip: NO_PROGRAMS }, async (t) => {
  const suite = inRepo('.cache/compiled/test/kit/rootless-suite.js');
  const [command, ...args] = scriptCommand(suite, cloneDevice);
  const ended = await startProgram(command, args, { uid: NOBODY }).ended;
  t.equal(ended.code, 0, ended.errors);
  t.same(ended.output.trim().split('\n'), [
    'ok TAPs in a bridge',
    'ok a TUN that answers the kernel',
    'ok a device with several queues, and one that is deleted',
    'ok hosts on wires, shaped',
    'ok forwarding between hosts',
    'ok a namespace by its path, and programs in it',
    'ok a macvtap: its node is root’s',
    'closed',
  ]);
});

t.test('where users may make no namespace, the error says so', async (t) => {
  const program = `
    import { createNetns } from 'tapfd';
    import { createTestNetwork } from 'tapfd/testing';
    for (const call of [() => createNetns({ userNamespace: true }), () => createTestNetwork()]) {
      await call().then(() => console.log('made'), ({ code, syscall, message }) => console.log(code, syscall, message));
    }`;
  // A user namespace of its own, whose root may set the limit for those within.
  const script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"';
  const ended = await startProgram('unshare', ['-Ur', 'sh', '-c', script, ...childCommand(program)], {
    cwd: inRepo('.'),
    uid: NOBODY,
  }).ended;
  t.match(ended.printed, /^ENOSPC unshare CLONE_NEWUSER .*user.max_user_namespaces/m);
});

t.test('createNetns: userNamespace', async (t) => {
  const first = closedWith(t, await createNetns({ userNamespace: true }));
  const beside = closedWith(t, await createNetns({ userNamespace: first }));
  const own = closedWith(t, await createNetns({ userNamespace: false }));
  t.equal((await links.list({ netns: own })).length, 1);
  await links.create({ kind: 'veth', netns: first, name: 'one', peer: { name: 'other', netns: beside } });
  t.equal((await links.get('other', { netns: beside })).kind, 'veth');
  const invalid = { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'userNamespace' };
  await t.rejects(createNetns(`tapfd-${process.pid}-named`, { userNamespace: true }), invalid);
  await t.rejects(Reflect.apply(createNetns, undefined, [{ userNamespace: 'yes' }]), invalid);
  const closed = await createNetns({ userNamespace: true });
  await closed.close();
  await t.rejects(createNetns({ userNamespace: closed }), { code: 'ERR_TAPFD_CLOSED' });
});
