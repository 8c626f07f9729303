/**
 * What the kernel refuses, row by row: code, errno, system call, cause and remedy.
 *
 * Rows of the kernel's tables that no call of this library can reach, because it never asks for such a thing:
 * - TUNSETIFF with two `%d` or without a type (refused before, see open-bad-input), twice on one descriptor (EEXIST;
 *   adoptFd refuses another vnet header before).
 * - TUNSETSNDBUF of 0 or less, a ninth unicast address in TUNSETTXFILTER, a multicast or zero MAC (EADDRNOTAVAIL):
 *   refused before (device-ioctls).
 * - TUNSETVNETHDRSZ under 10 and TUNSETVNETLE/BE: the size is 10 or what the descriptor has, the order is never set.
 * - TUNSETOFFLOAD with bits left over (EINVAL): the masks are tried in turn, and the last is 0.
 * - TUNSETIFINDEX, TUNSETLINK, TUNATTACHFILTER, TUNSETDEBUG: not used. On macvtap, whose driver answers EINVAL to
 *   everything that is TUN's and TAP's alone, the class has no such methods.
 * The 257th queue (E2BIG, EBUSY), TUNSETQUEUE twice (EINVAL) and the write to a detached queue with NAPI (EBUSY) are in
 * queues, programs (bpf, TUNSETFILTEREBPF, TUNSETSTEERINGEBPF) in bpf.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  adoptFd,
  type FrameStream,
  openMacvtap,
  openTap,
  openTun,
  type Tap,
  type Tun,
  type TunOptions,
} from 'tapfd';
import { TapfdError } from '#lib/base/errors.js';
import { native } from '#lib/base/native.js';
import { tapSettings } from '#lib/devices/check-open-options.js';
import { tunSetIffRemedy } from '#lib/devices/tunsetiff-remedy.js';
import { needs } from '../../kit/capabilities.js';
import { ownNamespace } from '../../kit/namespace.js';

const TUNSETIFF = 'ioctl TUNSETIFF';
const OPENINGS: ((options: TunOptions) => Promise<Tap | Tun>)[] = [openTap, openTun];

t.test('error table', { skip: needs('root', 'tun-device', 'macvtap', 'veth', 'ip') }, async (t) => {
  const network = await ownNamespace(t);
  const netns = network.name;
  await network.wire('wire', 'far');
  const FIXED_LINKS = await network.linkNames();

  /** One row, which must leave nothing behind. */
  function row(name: string, test: (t: Test) => Promise<void>): void {
    t.test(name, async (t) => {
      await test(t);
      t.strictSame(await network.linkNames(), FIXED_LINKS, 'nothing is left');
    });
  }

  async function dispose(...devices: FrameStream[]): Promise<void> {
    for (const device of devices) await device[Symbol.asyncDispose]();
  }

  for (const open of OPENINGS) {
    const kind = open === openTap ? 'tap' : 'tun';
    const busy = { code: 'EBUSY', errno: -16, syscall: TUNSETIFF, interface: 'row', path: '/dev/net/tun' };
    const invalid = { ...busy, code: 'EINVAL', errno: -22 };

    row(`${kind}: TUNSETIFF EBUSY: exists, and exclusive`, async (t) => {
      const device = await open({ netns, name: 'row', multiQueue: true });
      await t.rejects(open({ netns, name: 'row', multiQueue: true, exclusive: true }), {
        ...busy,
        message: /row exists: leave out exclusive/,
      });
      await dispose(device);
    });

    row(`${kind}: TUNSETIFF EBUSY: the one queue is taken`, async (t) => {
      const device = await open({ netns, name: 'row' });
      await t.rejects(open({ netns, name: 'row' }), {
        ...busy,
        message: /row is already open and has one queue.*multiQueue: true/,
      });
      await dispose(device);
    });

    row(`${kind}: TUNSETIFF EINVAL: multi-queue on one side only`, async (t) => {
      const many = await open({ netns, name: 'row', multiQueue: true });
      await t.rejects(open({ netns, name: 'row' }), {
        ...invalid,
        message: /row is multi-queue: open it with multiQueue: true/,
      });
      await dispose(many);
      const one = await open({ netns, name: 'row' });
      await t.rejects(open({ netns, name: 'row', multiQueue: true }), {
        ...invalid,
        message: /row has one queue: open it without multiQueue/,
      });
      await dispose(one);
    });

    row(`${kind}: TUNSETIFF EINVAL: a device of the other type`, async (t) => {
      const device: Tap | Tun = await (open === openTap ? openTun : openTap)({ netns, name: 'row' });
      await t.rejects(open({ netns, name: 'row' }), {
        ...invalid,
        message: kind === 'tap' ? /row is a TUN device: use openTun/ : /row is a TAP device: use openTap/,
      });
      await dispose(device);
    });

    row(`${kind}: TUNSETIFF EINVAL: a link of another kind`, async (t) => {
      await t.rejects(open({ netns, name: 'wire' }), {
        ...invalid,
        interface: 'wire',
        message: /wire is a veth link, not a TUN or TAP device/,
      });
      await t.rejects(open({ netns, name: 'lo' }), {
        ...invalid,
        interface: 'lo',
        message: /lo is no virtual link, not a TUN or TAP device/,
      });
    });

    row(`${kind}: a name that the kernel does not take is not asked for`, async (t) => {
      // Its second byte in UTF-8 is 0xA0, a space to the kernel (lib/ctype.c).
      const refused = { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'name' };
      await t.rejects(open({ netns, name: 'voilà' }), refused);
    });

    row(`${kind}: ioctls on a device that was deleted: EBADFD`, async (t) => {
      const device: Tap | Tun = await open({ netns, name: 'row', multiQueue: true });
      const end = once(device, 'error');
      // While the event loop is blocked: the library has not heard of it when the calls are made.
      execFileSync('ip', ['-n', netns, 'link', 'delete', 'row']);
      const calls: Record<string, Promise<unknown>> = {
        TUNSETPERSIST: device.setPersist(true),
        TUNSETOWNER: device.setOwner(1),
        TUNSETGROUP: device.setGroup(1),
        TUNSETCARRIER: device.setCarrier(true),
        TUNSETOFFLOAD: device.setOffload([]),
        TUNSETSNDBUF: device.setSendBuffer(1000),
        TUNSETSTEERINGEBPF: device.setSteeringProgram(null),
        TUNSETFILTEREBPF: device.setFilterProgram(null),
        ...('setMac' in device && {
          SIOCSIFHWADDR: device.setMac('02:00:00:00:00:01'),
          TUNSETTXFILTER: device.setTxFilter(null),
        }),
      };
      // They are awaited one by one, and may all have failed by then.
      for (const call of Object.values(calls)) call.catch(() => undefined);
      const alive = device.isAlive();
      for (const [ioctl, call] of Object.entries(calls)) {
        await t.rejects(
          call,
          {
            code: 'EBADFD',
            errno: -77,
            syscall: `ioctl ${ioctl}`,
            interface: 'row',
            message: /deleted: open it again/,
          },
          ioctl,
        );
      }
      t.equal(await alive, false);
      t.match(await end, [{ code: 'ERR_TAPFD_DEVICE_GONE' }]);
    });
  }

  row('macvtap: ioctls on a link that was deleted: ENOLINK', async (t) => {
    const device = await openMacvtap({ netns, lower: 'wire', name: 'row' });
    const end = once(device, 'error');
    execFileSync('ip', ['-n', netns, 'link', 'delete', 'row']);
    const gone = { code: 'ENOLINK', errno: -67, interface: 'row', message: /deleted: open it again/ };
    const calls: Record<string, Promise<unknown>> = {
      TUNSETOFFLOAD: device.setOffload([]),
      SIOCSIFHWADDR: device.setMac('02:00:00:00:00:01'),
    };
    for (const call of Object.values(calls)) call.catch(() => undefined);
    const detached = device.detachQueue();
    detached.catch(() => undefined);
    const alive = device.isAlive();
    for (const [ioctl, call] of Object.entries(calls)) {
      await t.rejects(call, { ...gone, syscall: `ioctl ${ioctl}` }, ioctl);
    }
    await t.rejects(detached, { code: 'EINVAL', syscall: 'ioctl TUNSETQUEUE', message: /deleted/ });
    t.equal(await alive, false);
    t.match(await end, [{ code: 'ERR_TAPFD_DEVICE_GONE' }]);
  });

  row('macvtap has none of the methods that its driver answers with EINVAL', async (t) => {
    const device = await openMacvtap({ netns, lower: 'wire' });
    const TUN_ONLY =
      'setPersist setOwner setGroup setCarrier setTxFilter setSteeringProgram setFilterProgram';
    for (const method of TUN_ONLY.split(' ')) t.notOk(method in device, method);
    await dispose(device);
  });

  row('TUNGETIFF: a clone device without interface: EBADFD', async (t) => {
    const fd = openSync('/dev/net/tun', 'r+');
    await t.rejects(adoptFd(fd), {
      code: 'EBADFD',
      errno: -77,
      syscall: 'ioctl TUNGETIFF',
      message: /never given one/,
    });
    closeSync(fd);
  });

  row('open: no clone device', async (t) => {
    const path = join(t.testdir(), 'nothing');
    await t.rejects(openTap({ netns, devicePath: path }), {
      code: 'ENOENT',
      errno: -2,
      syscall: 'open',
      path,
      message: /modprobe tun.*mknod .* c 10 200/,
    });
    await t.rejects(openTap({ netns, devicePath: join(path, 'below') }), { code: 'ENOENT', syscall: 'open' });
  });

  row('open: a path that leads nowhere', async (t) => {
    const directory = t.testdir({ file: '' });
    await t.rejects(openTap({ netns, devicePath: join(directory, 'file', 'below') }), {
      code: 'ENOTDIR',
      syscall: 'open',
    });
  });

  row('a namespace that is missing', async (t) => {
    for (const open of OPENINGS) {
      await t.rejects(open({ netns: 'tapfd-nowhere' }), {
        code: 'ENOENT',
        syscall: 'open',
        path: '/run/netns/tapfd-nowhere',
        message: /no namespace of that name/,
      });
    }
  });

  row('remedies for what the kernel cannot be brought to do at will', async (t) => {
    const ns = await native().openNamespace(network.path);
    const { device: settings } = tapSettings('openTap', { name: 'row' });
    const remedy = (code: string) => tunSetIffRemedy(new TapfdError(code, 'failed'), ns, settings);
    const device = await openTap({ netns, name: 'row' });
    t.match(await remedy('EINVAL'), /row exists and does not fit/, 'it changed while we looked');
    t.match(await remedy('EPERM'), /row has no owner/, 'as kernels before 6.18 refuse it');
    t.equal(await remedy('ENOMEM'), undefined);
    await dispose(device);
    ns.close();
  });
});
