/**
 * What an emulator of user programs does not pass on: NS_GET_NSTYPE, pwritev2(2). The kernel here has all, so the
 * file runs itself again with a preloaded library that makes system calls fail. test/deep/prebuilds.test.ts has the emulator.
 */
import { constants } from 'node:os';
import t from 'tap';
import { links, openTap } from 'tapfd';
import { fileNeeds, needs } from '../kit/capabilities.js';
import { FailingSyscalls, rerunWithFailingSyscalls } from '../kit/failing-syscalls.js';
import { ownNamespace } from '../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'netns', 'ip');

const { EIO, ENOSYS, ENOTTY } = constants.errno;
/** `linux/nsfs.h` NS_GET_NSTYPE, as the library names it. */
const TYPE_OF_NAMESPACE = /^ioctl 0xb703$/;
/** One by its number. A write makes no other. */
const PWRITEV2 = /^syscall 0x/;
/** More calls than any of these makes before the one that is to fail. */
const CALLS = 50;

const failing = FailingSyscalls.attach();

/** Calls `work` until the system call `name` is what fails in it, and returns how that ended. */
async function withFailing<T>(name: RegExp, errno: number, work: () => Promise<T>): Promise<T | Error> {
  for (let nth = 1; nth <= CALLS; nth++) {
    failing?.arm(nth, errno);
    const outcome = await work().catch((error: Error) => error);
    if (name.test(failing?.disarm().failed ?? '')) return outcome;
  }
  throw new Error(`${name} is never called`);
}

if (failing === undefined) {
  t.test('in a process whose system calls can fail', { skip: needs('root', 'tun-device') }, (t) =>
    rerunWithFailingSyscalls(t, import.meta.filename),
  );
} else {
  t.test('a network namespace is told by its link in /proc', async (t) => {
    const list = (netns: string) => () => links.list({ netns });
    for (const errno of [ENOTTY, ENOSYS]) {
      t.match(await withFailing(TYPE_OF_NAMESPACE, errno, list('/proc/self/ns/net')), [{ name: 'lo' }]);
    }
    const refused = { code: 'ERR_TAPFD_NOT_A_NAMESPACE' };
    t.match(await withFailing(TYPE_OF_NAMESPACE, ENOTTY, list('/proc/self/ns/uts')), refused);
    t.match(await withFailing(TYPE_OF_NAMESPACE, EIO, list('/proc/self/ns/net')), refused);
  });

  t.test('a shared descriptor is written without RWF_NOWAIT', async (t) => {
    const ns = await ownNamespace(t);
    const tap = await openTap({ netns: ns.path, ipv6: false });
    t.ok(tap.fd > 2, 'its number has been given out');
    const write = () =>
      new Promise<void>((resolve, reject) => {
        tap.write(Buffer.alloc(60), (error) => (error ? reject(error) : resolve()));
      });
    t.equal(await withFailing(PWRITEV2, ENOSYS, write), undefined);
    t.match(tap.stats.sent.drops, {});
    await tap.close();
  });
}
