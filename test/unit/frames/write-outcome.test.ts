/** What the outcome of a native call means, for outcomes that a healthy kernel does not produce on demand. */
import { constants } from 'node:os';
import t from 'tap';
import type { DeviceHandle } from '#lib/descriptor/device-handle.js';
import { fatalError, lossOf, meaningOfRead, refusalError, refusalOf } from '#lib/frames/write-outcome.js';

const { EACCES, EAGAIN, EBADF, EBUSY, EFAULT, EINVAL, EIO, EMSGSIZE, ENOBUFS, ENOMEM, ENOSPC, EPERM } =
  constants.errno;
/** Node has no names for these. */
const EBADFD = 77;
const ENOLINK = 67;
/** Every errno there is (asm-generic/errno.h ends with EHWPOISON), except the one that waits. */
const ALL = Array.from({ length: 133 }, (_, i) => i + 1).filter((errno) => errno !== EAGAIN);

function fakeDevice(kind: string, macCheck = 'error', up = true, movedAway = false): DeviceHandle {
  const link = { name: 'tap9', mtu: 1500, mac: '02:00:00:00:00:09' };
  const fake = {
    kind,
    link,
    follower: { up, movedAway },
    settings: { macCheck },
    goneError: () => Object.assign(new Error('gone'), { code: 'ERR_TAPFD_DEVICE_GONE' }),
  };
  return fake as unknown as DeviceHandle;
}

t.test('frames lost as a network card loses them', async (t) => {
  const tap = fakeDevice('tap');
  t.equal(lossOf(tap, 0), undefined);
  t.equal(lossOf(tap, -EIO), 'link-down');
  for (const errno of [ENOBUFS, ENOMEM, ENOSPC]) t.equal(lossOf(tap, -errno), 'no-buffer');
  t.equal(lossOf(tap, -EBUSY), 'detached');
  t.equal(lossOf(tap, -EPERM), undefined);
  t.equal(lossOf(fakeDevice('macvtap', 'error', false), 0), 'link-down');
  t.equal(lossOf(fakeDevice('macvtap'), 0), undefined);
  t.equal(
    lossOf(fakeDevice('macvtap', 'error', false, true), 0),
    undefined,
    'in its new namespace it may be up',
  );
  t.equal(lossOf(fakeDevice('macvtap', 'drop'), 4), 'source-mac');
  t.equal(lossOf(fakeDevice('macvtap'), 4), undefined);
});

t.test('refusals say what is wrong with the frame', async (t) => {
  const message = (kind: string, outcome: number, vnetHeaderBytes = 0) => {
    const refusal = refusalOf(outcome);
    if (!refusal) throw new Error(`outcome ${outcome} is no refusal`);
    const error = refusalError(Object.assign(fakeDevice(kind), { vnetHeaderBytes }), refusal, 77);
    t.equal(error.recoverable, true);
    return `${error.code}: ${error.message}`;
  };
  t.match(message('tap', 1), /TOO_SHORT: .*77 bytes.*14 bytes/);
  t.match(message('tun', 1), /TOO_SHORT: .*before its packet/);
  t.match(message('tap', 2), /TOO_LONG: .*MTU of tap9 is 1500/);
  t.match(message('tun', 3), /INVALID: .*version 4 or 6/);
  t.match(message('macvtap', 4), /MAC_MISMATCH: .*tap9, 02:00:00:00:00:09/);
  t.match(message('tap', -EINVAL), /INVALID: .*refuses it \(EINVAL/);
  t.match(message('tap', -EINVAL, 10), /INVALID: .*refuses its vnet header \(EINVAL/);
  t.match(message('tap', -EMSGSIZE), /TOO_LONG: .*EMSGSIZE.*65471/);
});

t.test(
  'whatever the kernel answers to one frame, only a descriptor without a device ends the stream',
  async (t) => {
    const tap = fakeDevice('tap');
    const ending = ALL.filter(
      (errno) => lossOf(tap, -errno) === undefined && refusalOf(-errno) === undefined,
    );
    t.same(ending, [EBADF, ENOLINK, EBADFD]);
    const refusal = refusalOf(-EPERM);
    t.equal(refusal?.reason, 'kernel');
    t.match(refusal && refusalError(tap, refusal, 77), {
      code: 'EPERM',
      errno: -EPERM,
      syscall: 'write',
      interface: 'tap9',
      recoverable: true,
      message: /77 bytes is refused: .*EPERM/,
    });
  },
);

t.test('a read that fails loses one frame, unless the next would fail in the same way', async (t) => {
  const ending = ALL.filter((errno) => meaningOfRead(-errno) === 'end');
  t.same(ending, [EPERM, EBADF, EACCES, EFAULT, ENOLINK, EBADFD]);
  t.equal(meaningOfRead(-EIO), 'down');
  t.equal(meaningOfRead(-EINVAL), 'frame lost');
});

t.test('what ends the stream', async (t) => {
  const tap = fakeDevice('tap');
  for (const errno of [EBADFD, ENOLINK])
    t.match(fatalError(tap, 'read', -errno), { code: 'ERR_TAPFD_DEVICE_GONE' });
  t.match(fatalError(tap, 'read', -EPERM), {
    code: 'EPERM',
    errno: -EPERM,
    syscall: 'read',
    interface: 'tap9',
    recoverable: false,
    message: 'read: tap9 cannot be read (EPERM)',
  });
  t.match(fatalError(tap, 'write', -EPERM), { syscall: 'write', message: /cannot be written/ });
});
