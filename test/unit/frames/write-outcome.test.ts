/** What the outcome of a native call means, for outcomes that a healthy kernel does not produce on demand. */
import { constants } from 'node:os';
import t from 'tap';
import type { DeviceHandle } from '#lib/descriptor/device-handle.js';
import { fatalError, isDown, lossOf, refusalError, refusalOf } from '#lib/frames/write-outcome.js';

const { EBUSY, EINVAL, EIO, ENOBUFS, ENOMEM, ENOSPC, EPERM } = constants.errno;

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
  const message = (kind: string, outcome: number) => {
    const refusal = refusalOf(outcome);
    if (!refusal) throw new Error(`outcome ${outcome} is no refusal`);
    const error = refusalError(fakeDevice(kind), refusal, 77);
    t.equal(error.recoverable, true);
    return `${error.code}: ${error.message}`;
  };
  t.match(message('tap', 1), /TOO_SHORT: .*77 bytes.*14 bytes/);
  t.match(message('tun', 1), /TOO_SHORT: .*before its packet/);
  t.match(message('tap', 2), /TOO_LONG: .*MTU of tap9 is 1500/);
  t.match(message('tun', 3), /INVALID: .*version 4 or 6/);
  t.match(message('macvtap', 4), /MAC_MISMATCH: .*tap9, 02:00:00:00:00:09/);
  t.match(message('tap', -EINVAL), /INVALID: .*EINVAL/);
  t.equal(refusalOf(-EPERM), undefined);
});

t.test('what ends the stream', async (t) => {
  const tap = fakeDevice('tap');
  for (const errno of [77, 67]) t.match(fatalError(tap, 'read', -errno), { code: 'ERR_TAPFD_DEVICE_GONE' });
  t.match(fatalError(tap, 'read', -EPERM), {
    code: 'EPERM',
    errno: -EPERM,
    syscall: 'read',
    interface: 'tap9',
    recoverable: false,
    message: 'read: tap9 cannot be read (EPERM)',
  });
  t.match(fatalError(tap, 'write', -EPERM), { syscall: 'write', message: /cannot be written/ });
  t.ok(isDown(-EIO));
  t.notOk(isDown(-EPERM));
});
