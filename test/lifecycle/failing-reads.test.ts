/**
 * Reads and writes that fail without ending the stream: no kernel here does that, so the file runs itself again with a preloaded
 * library that makes system calls fail.
 */
import { constants } from 'node:os';
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
  // Other calls of the addon, about the links, may come before the one that is to fail: then once more.
  t.test(
    'a read that fails holds batches up no longer than that lasts, and loses one frame at most',
    async (t) => {
      for (const [errno, drops] of [
        [constants.errno.EIO, {}], // the link is down
        [constants.errno.EINVAL, { unreadable: 1 }], // the kernel cannot pass a frame on
      ] as const) {
        const { ns, a, b } = await tapPair(t);
        await untilCarrier(ns.name, 'br0', true);
        const batches = b.batches();
        for (let number = 1, failed: string | undefined; failed !== 'read'; number++) {
          a.write(numberedFrame(number));
          const next = batches.next();
          failing.arm(1, errno);
          // The library that fails the read leaves the frame where it is.
          const { value } = await next;
          ({ failed } = failing.disarm());
          t.same([...(value as FrameBatch)].map(numberOf), [number]);
        }
        t.same(b.stats.received.drops, drops);
      }
    },
  );

  t.test('a write that fails for a reason nobody knows of fails alone', async (t) => {
    const { ns, a } = await tapPair(t);
    await untilCarrier(ns.name, 'br0', true);
    let failed: string | undefined;
    let error: Error | null = null;
    while (failed !== 'write') {
      failing.arm(1, constants.errno.EPERM);
      error = await written(a, numberedFrame(1));
      ({ failed } = failing.disarm());
    }
    t.match(error, { code: 'EPERM', syscall: 'write', recoverable: true });
    t.equal(await written(a, numberedFrame(2)), null);
    t.same(a.stats.sent.drops, { kernel: 1 });
  });
}
