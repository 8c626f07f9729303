/** `tapfd top`: rates and queues, against what was sent; the screen of a real terminal. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openTap } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { commandWords, startTapfd, tapfd } from '../../kit/command.js';
import { quietNamespace, run, type TestNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'netns', 'veth', 'macvtap', 'ip', 'ping');

/** Sends so many frames out of `t0`, which nobody answers. */
async function send(ns: TestNamespace, frames: number): Promise<void> {
  await ns.exec('ping', '-q', '-f', '-c', String(frames), '-W', '0.1', '10.9.0.2').catch(() => undefined);
}

async function tapWithNeighbour(t: Parameters<typeof quietNamespace>[0], ns: TestNamespace) {
  const tap = closedWith(t, await openTap({ netns: ns.name, name: 't0', addresses: ['10.9.0.1/24'] }));
  await ns.ip('neigh', 'add', '10.9.0.2', 'lladdr', '02:00:00:00:00:02', 'dev', 't0');
  return tap;
}

t.test('what waits to be read, what was read, and what was lost', async (t) => {
  const ns = await quietNamespace(t);
  const tap = await tapWithNeighbour(t, ns);
  await ns.ip('link', 'set', 't0', 'txqueuelen', '20');
  const look = async () => {
    const { output, code } = await tapfd(['top', 't0', '--count', '1', '--interval', '0.1', '--json'], {
      ns,
    });
    t.equal(code, 0);
    return JSON.parse(output).devices[0];
  };
  await send(ns, 7);
  t.match(await look(), {
    name: 't0',
    kind: 'tap',
    toProgram: { frames: 0 },
    queue: { frames: 7, length: 20 },
    drops: 0,
  });
  tap.resume();
  await send(ns, 5);
  let now = await look();
  while (now.toProgram.frames < 12) now = await look();
  t.match(now, { toProgram: { frames: 12, bytes: 12 * 98 }, queue: { frames: 0 } });
});

t.test('rates of what passes meanwhile, as text', async (t) => {
  const ns = await quietNamespace(t);
  const tap = await tapWithNeighbour(t, ns);
  tap.resume();
  await ns.wire('wire', 'far');
  await ns.ip('link', 'add', 'link', 'wire', 'name', 'mv', 'up', 'type', 'macvtap', 'mode', 'bridge');
  const top = startTapfd(['top', '--interval', '0.2', '--all'], { ns });
  const sending = { on: true };
  const sent = (async () => {
    while (sending.on) await send(ns, 50);
  })();
  await top.printed(/^t0 +tap +[1-9][\d.]* k? +[1-9][\d.]* [kM]?bit +0 +0 bit +0 +\d+\/1000$/m);
  await top.printed(/^mv +macvtap +.* -$/m);
  sending.on = false;
  await sent;
  top.kill('SIGTERM');
  t.equal((await top.ended).code, 0);
});

t.test('nothing, and what is not there', async (t) => {
  const ns = await quietNamespace(t);
  const none = await tapfd(['top', '--interval', '0.1', '--count', '2'], { ns });
  t.equal(none.output.match(/There is no TUN, TAP or macvtap here/g)?.length, 2);
  const missing = await tapfd(['top', 'nix'], { ns });
  t.equal(missing.code, 1);
  t.match(missing.errors, 'ENODEV');
});

t.test('a terminal of 80 columns is used as a whole and given back', { skip: needs('tmux') }, async (t) => {
  const ns = await quietNamespace(t);
  await tapWithNeighbour(t, ns);
  const directory = mkdtempSync(join(tmpdir(), 'tapfd-top-'));
  const tmux = (...args: string[]) => run('tmux', '-S', join(directory, 'tmux'), '-f', '/dev/null', ...args);
  const shown = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const screen = await tmux('capture-pane', '-p', '-t', 'one');
      if (pattern.test(screen)) return screen;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await tmux('new-session', '-d', '-s', 'one', '-x', '80', '-y', '6', 'env PS1=prompt% sh');
  t.teardown(async () => {
    await tmux('kill-server').catch(() => undefined);
    rmSync(directory, { recursive: true });
  });
  const enter = (args: string[]) => tmux('send-keys', '-t', 'one', commandWords(args, ns).join(' '), 'Enter');
  await shown(/prompt%/);
  await tmux('send-keys', '-t', 'one', 'echo before', 'Enter');
  await shown(/^before$/m);
  for (const key of ['q', 'C-c']) {
    await enter(['top', '--interval', '0.1']);
    const screen = await shown(/^t0 +tap/m);
    t.match(screen, /^tapfd top {2}\d\d:\d\d:\d\d {2}every 0.1 s {2}q ends it/);
    t.notMatch(screen, 'before');
    await tmux('send-keys', '-t', 'one', 'x');
    await tmux('send-keys', '-t', 'one', key);
    await shown(/prompt% *\n*$/);
    await tmux('send-keys', '-t', 'one', 'clear', 'Enter');
  }
  await enter(['top', '--interval', '3600']);
  await shown(/counting/);
  await tmux('resize-window', '-t', 'one', '-x', '20', '-y', '6');
  await shown(/^tapfd top.{10}…$/m);
  await tmux('resize-window', '-t', 'one', '-x', '80', '-y', '6');
  await tmux('send-keys', '-t', 'one', 'q');
  await shown(/prompt% *\n*$/);
  await tmux('send-keys', '-t', 'one', 'clear', 'Enter');
  // More devices than lines.
  for (const name of ['t1', 't2', 't3', 't4', 't5']) closedWith(t, await openTap({ netns: ns.name, name }));
  await enter(['top', '--interval', '0.1']);
  t.match(await shown(/… \d more/), /^t0 /m);
  await tmux('send-keys', '-t', 'one', 'q');
  await shown(/prompt% *\n*$/);
});
