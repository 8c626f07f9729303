/**
 * A failed open leaves nothing behind, whichever step fails: every system call of each opening is made to fail in turn.
 *
 * The file runs itself again with a preloaded library that makes calls fail.
 */
import { closeSync, existsSync } from 'node:fs';
import { constants } from 'node:os';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import {
  adoptFd,
  createNetns,
  FdSocket,
  links,
  type NewLink,
  openMacvtap,
  openTap,
  openTun,
  TapfdError,
} from 'tapfd';
import type { DeviceHandle } from '#lib/descriptor/device-handle.js';
import { fileNeeds, needs } from '../kit/capabilities.js';
import { FailingSyscalls, rerunWithFailingSyscalls } from '../kit/failing-syscalls.js';
import { inventory, settled } from '../kit/inventory.js';
import { ownNamespace, type TestNamespace, vethPair } from '../kit/namespace.js';
import { descriptorTargets, socketDirectory } from '../kit/open-files.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const { ENOMEM } = constants.errno;

/** `linux/if_tun.h`, as the library names them. */
const TUNSETIFF = 'ioctl 0x400454ca';
const TUNSETPERSIST = 'ioctl 0x400454cb';
const TUNSETOWNER = 'ioctl 0x400454cc';
const TUNSETOFFLOAD = 'ioctl 0x400454d0';
const TUNGETIFF = 'ioctl 0x800454d2';

/** The openings are divided among this many processes. */
const PROCESSES = 4;

/** Which share is this process's, from 0. */
const SHARE = 'TAPFD_TEST_SHARE';

/** More calls than any opening makes. */
const MAX_CALLS = 500;

/** One try. */
interface Attempt {
  /** Opens, and returns what undoes it. */
  open: () => Promise<() => Promise<unknown>>;
  /** Removes what was made for the try. */
  end?: () => unknown;
}

/** An opening that needs no preparation, or what prepares each try. */
type Prepared = Attempt['open'] | Promise<() => Attempt | Promise<Attempt>>;

/**
 * Tries again and again: the first call of the first try fails, the second of the second, and so on, until a try has
 * too few calls for that.
 *
 * @returns The calls that failed, by name.
 */
async function failEachStep(
  t: Test,
  nets: readonly TestNamespace[],
  failing: FailingSyscalls,
  begin: () => Attempt | Promise<Attempt>,
): Promise<string[]> {
  // Makes what a process makes once and keeps.
  const first = await begin();
  await (await first.open())();
  await first.end?.();
  const failed: string[] = [];
  for (let nth = 1; nth <= MAX_CALLS; nth += 1) {
    const { open, end } = await begin();
    const before = await inventory(nets);
    failing.arm(nth, ENOMEM);
    const [result] = await Promise.allSettled([open()]);
    const outcome = failing.disarm();
    if (result.status === 'fulfilled') await result.value();
    else checkError(t, result.reason, `call ${nth}, ${outcome.failed}`);
    // Otherwise libc's name of a call may be another than the error's.
    if (outcome.failed === 'clone') t.match(result, { reason: { code: 'ENOMEM', syscall: 'clone' } });
    const after = await settled(nets, before);
    if (!isDeepStrictEqual(after, before)) {
      t.strictSame(after, before, `when call ${nth} fails, ${outcome.failed}, nothing is left`);
    }
    await end?.();
    if (outcome.failed === undefined) return failed;
    failed.push(outcome.failed);
  }
  t.fail(`${MAX_CALLS} calls are not enough`);
  return failed;
}

/** The system's own error, or a refusal because the failed call left something unproved. */
function checkError(t: Test, error: unknown, call: string): void {
  const isReported = error instanceof TapfdError && error.code === 'ENOMEM' && error.syscall !== undefined;
  const isRefused = error instanceof TapfdError && error.code.startsWith('ERR_TAPFD_');
  if (!isReported && !isRefused) t.fail(`${call}: an error that tells of it`, { found: error });
}

const failing = FailingSyscalls.attach();

if (failing === undefined) {
  const skip = needs('root', 'tun-device', 'netns', 'ip', 'bridge', 'veth', 'vxlan', 'macvlan', 'macvtap');
  // Side by side: they wait for the kernel most of the time.
  t.jobs = PROCESSES;
  for (let i = 0; i < PROCESSES; i += 1) {
    const title = `openings in a process whose system calls can fail, ${i + 1} of ${PROCESSES}`;
    t.test(title, { skip, buffered: true }, (t) =>
      rerunWithFailingSyscalls(t, import.meta.filename, { [SHARE]: String(i) }),
    );
  }
} else {
  failOpenings(failing, Number(process.env[SHARE]));
}

/** One in {@link PROCESSES} of them, from the one with the number `share`. */
function failOpenings(failing: FailingSyscalls, share: number): void {
  let number = 0;
  const test = (
    name: string,
    calls: string[],
    prepare: (near: TestNamespace, far: TestNamespace, t: Test) => Prepared,
  ) => {
    number += 1;
    if (number % PROCESSES !== share) return;
    t.test(name, async (t) => {
      const near = await ownNamespace(t);
      const far = await ownNamespace(t);
      await near.ip('link', 'add', 'br0', 'address', '02:00:00:00:00:ff', 'up', 'type', 'bridge');
      await vethPair(near, 'lower0', far, 'lower0');
      const prepared = prepare(near, far, t);
      const begin = prepared instanceof Promise ? await prepared : () => ({ open: prepared });
      const failed = await failEachStep(t, [near, far], failing, begin);
      t.comment(failed.join(', '));
      for (const call of calls)
        t.ok(failed.includes(call), `${call} was among the ${failed.length} that failed`);
    });
  };

  test('openTun', [TUNSETIFF, 'socket', 'epoll_ctl'], ({ name: netns }) => async () => {
    const tun = await openTun({ netns, addresses: ['10.9.0.1/24', 'fd09::1/64'], mtu: 1400 });
    return () => tun[Symbol.asyncDispose]();
  });

  test(
    'openTap with everything',
    [TUNSETIFF, TUNSETOFFLOAD, TUNSETOWNER, 'sendto'],
    ({ name: netns }) =>
      async () => {
        const tap = await openTap({
          netns,
          bridge: 'br0',
          mac: '02:00:00:00:00:01',
          mtu: 1400,
          multiQueue: true,
          vnetHeader: true,
          offload: ['csum', 'tso4'],
          owner: 1000,
          group: 1000,
          carrier: true,
          allMulticast: true,
        });
        return () => tap[Symbol.asyncDispose]();
      },
  );

  test('openTap of a persistent device', [TUNSETIFF, TUNSETPERSIST], ({ name: netns }) => async () => {
    const tap = await openTap({ netns, name: 'stays', persist: true });
    return async () => {
      await tap.setPersist(false);
      await tap[Symbol.asyncDispose]();
    };
  });

  test('openMacvtap that makes its link', [TUNSETIFF, 'openat64'], ({ name: netns }) => async () => {
    const macvtap = await openMacvtap({ netns, lower: 'lower0', guestMac: '02:00:00:00:00:02', mtu: 1400 });
    return () => macvtap[Symbol.asyncDispose]();
  });

  test('openMacvtap that finds its link', [TUNSETIFF], async (near) => {
    const netns = near.name;
    await near.ip(
      'link',
      'add',
      'link',
      'lower0',
      'name',
      'found',
      'up',
      'type',
      'macvtap',
      'mode',
      'bridge',
    );
    return () => ({
      async open() {
        const macvtap = await openMacvtap({ netns, name: 'found' });
        return () => macvtap[Symbol.asyncDispose]();
      },
    });
  });

  test(
    'openMacvtap where the node is that of another namespace',
    [TUNSETIFF, 'mknodat'],
    async (near, far) => {
      const index = String(100_000 + process.pid);
      for (const ns of [far, near]) {
        await ns.ip('link', 'add', 'link', 'lower0', 'name', 'twin', 'index', index, 'up', 'type', 'macvtap');
      }
      return () => ({
        async open() {
          const macvtap = await openMacvtap({ netns: near.name, name: 'twin' });
          return () => macvtap[Symbol.asyncDispose]();
        },
      });
    },
  );

  test('a further queue', [TUNSETIFF], async ({ name: netns }, _far, t) => {
    const tap = await openTap({ netns, multiQueue: true });
    t.teardown(() => tap[Symbol.asyncDispose]());
    // It asks once which namespace its link is in: what it holds for that is no part of the opening.
    const { follower } = Reflect.get(tap, 'device') as DeviceHandle;
    await follower.answered();
    for (let seen = ''; seen !== String(descriptorTargets()); await wait(20))
      seen = String(descriptorTargets());
    return () => ({
      async open() {
        const queue = await tap.openQueue();
        return () => queue[Symbol.asyncDispose]();
      },
    });
  });

  test('adoptFd', [TUNGETIFF, 'epoll_ctl'], async ({ name: netns }) => async () => {
    const made = await openTap({ netns });
    const fd = made.handOff();
    await made[Symbol.asyncDispose]();
    return {
      async open() {
        const adopted = await adoptFd(fd, { netns });
        return () => {
          adopted.handOff();
          return adopted[Symbol.asyncDispose]();
        };
      },
      // Still the caller's after a failure.
      end: () => closeSync(fd),
    };
  });

  test('createNetns', ['unshare', 'mount'], () => async () => {
    const netns = await createNetns(`tapfd-${process.pid}-made`);
    return () => netns.close();
  });

  test(
    'createNetns with a user namespace',
    ['mmap64', 'clone', 'unshare', 'open64', 'write'],
    () => async () => {
      const netns = await createNetns({ userNamespace: true });
      return () => netns.close();
    },
  );

  test(
    'createNetns in the user namespace of another',
    ['clone', 'ioctl 0xb701', 'setns', 'unshare'],
    async (_near, _far, t) => {
      const owner = await createNetns({ userNamespace: true });
      t.teardown(() => owner.close());
      return () => ({
        async open() {
          const netns = await createNetns({ userNamespace: owner });
          return () => netns.close();
        },
      });
    },
  );

  test(
    'openTap in a namespace of a user namespace',
    [TUNSETIFF, 'setns', 'sendto'],
    async (_near, _far, t) => {
      const netns = await createNetns({ userNamespace: true });
      t.teardown(() => netns.close());
      return () => ({
        async open() {
          const tap = await openTap({ netns, mtu: 1400, addresses: ['10.9.0.1/24'] });
          return () => tap[Symbol.asyncDispose]();
        },
        async end() {
          const left = await links.list({ netns });
          t.same(
            left.map(({ name }) => name),
            ['lo'],
          );
        },
      });
    },
  );

  test('FdSocket.listen', ['socket', 'fchmod', 'bind', 'listen', 'open64', 'chmod'], () => {
    const path = `${socketDirectory(t)}/server`;
    return async () => {
      const server = await FdSocket.listen(path, { mode: 0o666 });
      return () => server.close().then(() => t.notOk(existsSync(path)));
    };
  });
  test('FdSocket.connect', ['socket', 'connect', 'getsockopt'], () => {
    const address = `@tapfd-${process.pid}-failing`;
    const listening = FdSocket.listen(address);
    t.teardown(async () => (await listening).close());
    return async () => {
      await listening;
      const socket = await FdSocket.connect(address);
      return () => socket[Symbol.asyncDispose]();
    };
  });
  test('FdSocket.pair', ['socketpair', 'getsockopt'], () => async () => {
    const [a, b] = FdSocket.pair();
    return () => Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]);
  });

  const waits = {
    receive: (socket: FdSocket) => socket.receive(),
    send: (socket: FdSocket) => socket.send(Buffer.alloc(4 << 20)),
  };
  for (const [name, wait] of Object.entries(waits)) {
    test(`FdSocket: ${name} that has to wait`, ['socketpair', 'epoll_ctl'], () => async () => {
      const sockets = FdSocket.pair();
      const end = () => Promise.all(sockets.map((socket) => socket[Symbol.asyncDispose]()));
      const outcomes = Promise.allSettled([wait(sockets[0])]);
      await turn();
      await end();
      for (const outcome of await outcomes) {
        if (outcome.status === 'rejected' && outcome.reason.code !== 'ERR_TAPFD_CLOSED') throw outcome.reason;
      }
      return end;
    });
  }

  const settings = { name: 'made', mtu: 1400, up: true, mac: '02:00:00:00:00:03' };
  const kinds: NewLink[] = [
    { kind: 'bridge', ...settings },
    { kind: 'veth', ...settings },
    { kind: 'macvlan', lower: 'lower0', ...settings },
    { kind: 'macvtap', lower: 'lower0', ...settings },
    { kind: 'vxlan', id: 5, ...settings },
  ];
  for (const link of kinds) {
    test(`links.create ${link.kind}`, ['sendto', 'recvmsg'], ({ name: netns }) => async () => {
      await links.create({ ...link, netns });
      return () => links.remove('made', { netns });
    });
  }
  test('links.create macvtap for another namespace', ['setns', 'sendto'], (near, far) => async () => {
    await links.create({ kind: 'macvtap', lower: 'lower0', netns: near.name, moveTo: far.name, ...settings });
    return () => links.remove('made', { netns: far.name });
  });
  test('links.create veth between namespaces', ['setns', 'sendto'], (near, far) => async () => {
    await links.create({ kind: 'veth', netns: near.name, peer: { netns: far.name }, ...settings });
    return () => links.remove('made', { netns: near.name });
  });
}
