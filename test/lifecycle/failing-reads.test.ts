/**
 * Reads and writes that fail without ending the stream: no kernel here does that, so the file runs itself again with a preloaded
 * library that makes system calls fail.
 */
import { once } from 'node:events';
import { constants } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import type { FrameBatch } from 'tapfd';
import { fileNeeds, needs } from '../kit/capabilities.js';
import { FailingSyscalls, rerunWithFailingSyscalls } from '../kit/failing-syscalls.js';
import { untilCarrier } from '../kit/link-changes.js';
import { numberedFrame, numberOf, tapPair, written } from '../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'bridge');

const failing = FailingSyscalls.attach();
if (failing === undefined) {
  t.test('in a process whose system calls can fail', { skip: needs('root', 'tun-device', 'bridge') }, (t) =>
    rerunWithFailingSyscalls(t, import.meta.filename),
  );
} else {
  t.test('a read that finds the link down (EIO) holds batches up no longer than that lasts', async (t) => {
    const { ns, a, b } = await tapPair(t);
    // The links must be silent: the addon's first call must be the read.
    await untilCarrier(ns.name, 'br0', true);
    await setImmediate();
    a.write(numberedFrame(1));
    const next = b.batches().next();
    failing.arm(1, constants.errno.EIO);
    const { value } = await next;
    t.equal(failing.disarm().failed, 'read');
    t.same([...(value as FrameBatch)].map(numberOf), [1]);
  });

  t.test(
    'a frame that the kernel fails to pass on (EINVAL) is counted, and the next one is read',
    async (t) => {
      const { ns, a, b } = await tapPair(t);
      await untilCarrier(ns.name, 'br0', true);
      await setImmediate();
      const dropped = once(b, 'drop');
      a.write(numberedFrame(1));
      const next = b.batches().next();
      failing.arm(1, constants.errno.EINVAL);
      t.same(await dropped, [{ direction: 'receive', reason: 'unreadable', count: 1 }]);
      t.equal(failing.disarm().failed, 'read');
      t.ok(await next, 'the loop goes on');
      t.equal(b.destroyed, false);
    },
  );

  t.test('a write that fails for a reason nobody knows of fails alone', async (t) => {
    const { ns, a } = await tapPair(t);
    await untilCarrier(ns.name, 'br0', true);
    await setImmediate();
    failing.arm(1, constants.errno.EPERM);
    const error = await written(a, numberedFrame(1));
    t.equal(failing.disarm().failed, 'write');
    t.match(error, { code: 'EPERM', syscall: 'write', recoverable: true });
    t.equal(await written(a, numberedFrame(2)), null);
    t.same(a.stats.sent.drops, { kernel: 1 });
  });
}
