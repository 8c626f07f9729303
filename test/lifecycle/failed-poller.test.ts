/**
 * The thread that polls for Bun and Deno: while one of the calls that make it fails, so does what needs it, and nothing is left.
 *
 * The file runs itself again with a preloaded library that makes calls fail. There Node is told that it is Bun.
 */
import { constants } from 'node:os';
import t from 'tap';
import { createNetns, links, openTap, TapfdError } from 'tapfd';
import { fileNeeds } from '../kit/capabilities.js';
import { FailingSyscalls, rerunWithFailingSyscalls } from '../kit/failing-syscalls.js';
import { descriptorTargets } from '../kit/open-files.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const failing = FailingSyscalls.attach();
if (failing === undefined) {
  t.test('in a process whose system calls can fail', (t) =>
    rerunWithFailingSyscalls(t, import.meta.filename),
  );
} else {
  t.test('what it is made of fails, one after the other', async (t) => {
    Object.defineProperty(process, 'versions', { value: { ...process.versions, bun: '1.4.5' } });
    // Loads what loads the addon, and fails with the addon's first call.
    const failedAt = async (nth: number) => {
      failing.arm(nth, constants.errno.ENOMEM);
      const [result] = await Promise.allSettled([links.list()]);
      const { failed } = failing.disarm();
      if (result.status === 'fulfilled') return undefined;
      t.match(result.reason, { code: 'ENOMEM', syscall: failed });
      t.ok(result.reason instanceof TapfdError);
      return failed;
    };
    const steps = [await failedAt(1)];
    const before = descriptorTargets();
    for (let nth = 1; nth <= 3; nth++) {
      steps.push(await failedAt(nth));
      t.same(descriptorTargets(), before, `call ${nth}: nothing is left`);
    }
    t.same(steps, ['epoll_create1', 'epoll_create1', 'eventfd', 'pthread_create']);

    // Once it runs, it is made no more.
    await links.list();
    const netns = await createNetns();
    const tap = await openTap({ netns, addresses: ['10.0.0.1/24'], ipv6: true });
    const [frame] = await tap.take(1).toArray();
    t.ok(frame.length > 0, 'and it polls');
    await tap.close();
    await netns.close();
  });
}
