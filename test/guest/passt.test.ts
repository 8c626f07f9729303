/** passt behind a TAP. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openTap } from 'tapfd';
import { spawnWithFds } from 'tapfd/qemu';
import { needs } from '../kit/capabilities.ts';
import { runExample } from '../kit/examples.ts';
import { ownNamespace } from '../kit/namespace.ts';

t.test(
  'a namespace with nothing but a TAP fetches a page through passt',
  { skip: needs('root', 'tun-device', 'bridge', 'passt') },
  async (t) => {
    const output = await runExample(t, 'passt');
    t.equal(output.trim(), '1000010 bytes; the server saw 127.0.0.1', 'whole, and as passt asked for it');
  },
);

t.test('passt takes no TAP', { skip: needs('root', 'tun-device', 'netns', 'passt') }, async (t) => {
  const ns = await ownNamespace(t);
  const tap = await openTap({ netns: ns.name, addresses: ['10.0.0.1/24'] });
  t.teardown(() => tap[Symbol.asyncDispose]());
  const log = join(t.testdir(), 'log');
  const passt = ['passt', '--foreground', '--log-file', log, '--runas', '0', '--ipv4-only'];
  const addresses = ['--interface', tap.name, '--address', '10.0.0.2', '--gateway', '10.0.0.1'];
  const child = await spawnWithFds(
    'ip',
    ['netns', 'exec', ns.name, ...passt, ...addresses, '--fd', '{fd:0}'],
    [tap],
    { stdio: 'ignore' },
  );
  t.teardown(() => child.kill('SIGKILL'));
  const [status, signal] = await once(child, 'exit');
  t.equal(signal, null, 'it ends by itself');
  // It reads with recv(2), which fails on anything but a socket. Debian 12's takes that for an orderly end: status 0.
  const said = readFileSync(log, 'utf8');
  t.comment(`status ${status}: ${said}`);
  t.match(said, /Client closed connection, exiting|[Rr]eceive error/);
});
