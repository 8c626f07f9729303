/** The command line for cards. */
import fs from 'node:fs';
import t from 'tap';
import { guestMacFor, type QemuNic, qemuNetworkArguments } from 'tapfd/qemu';
import { type FakeDevice, fakeDevice } from '../../kit/fake-device.js';

const tap = (facts = {}): FakeDevice => fakeDevice({ fd: 20, ...facts });

const macvtap = (facts = {}): FakeDevice =>
  fakeDevice({ fd: 30, kind: 'macvtap', name: 'macvtap0', index: 9, mac: '02:00:00:00:00:09', ...facts });

t.test('one TAP: fd, MAC and stdio from one source', async (t) => {
  t.strictSame(qemuNetworkArguments([{ device: tap(), mac: '52:54:00:12:34:80' }]), {
    args: [
      '-netdev',
      'tap,id=tapfd0,fd=3',
      '-device',
      'virtio-net-pci,id=tapfd0-nic,netdev=tapfd0,mac=52:54:00:12:34:80',
    ],
    fds: [20],
    stdio: ['pipe', 'pipe', 'pipe', 20],
    nics: [{ netdevId: 'tapfd0', deviceId: 'tapfd0-nic', mac: '52:54:00:12:34:80', childFds: [3] }],
  });
});

t.test('several cards, one of them with three queues, behind descriptors of the caller', async (t) => {
  const queues = [21, 22, 23].map((fd) => tap({ fd }));
  const made = qemuNetworkArguments([{ device: queues, id: 'lan' }, { device: macvtap() }], { firstFd: 5 });
  t.strictSame(made.args, [
    '-netdev',
    'tap,id=lan,fds=5:6:7',
    '-device',
    'virtio-net-pci,id=lan-nic,netdev=lan,mac=52:54:00:aa:bb:cc,mq=on,vectors=8',
    '-netdev',
    'tap,id=tapfd1,fd=8',
    '-device',
    'virtio-net-pci,id=tapfd1-nic,netdev=tapfd1,mac=02:00:00:00:00:09',
  ]);
  t.strictSame(made.stdio, ['pipe', 'pipe', 'pipe', 'ignore', 'ignore', 21, 22, 23, 30]);
  t.strictSame(made.fds, [21, 22, 23, 30]);
  t.strictSame(
    made.nics.map((nic) => nic.childFds),
    [[5, 6, 7], [8]],
  );
});

t.test('no cards, no arguments', async (t) => {
  t.strictSame(qemuNetworkArguments([]), { args: [], fds: [], stdio: ['pipe', 'pipe', 'pipe'], nics: [] });
});

t.test('every option of a card', async (t) => {
  const { args } = qemuNetworkArguments([
    {
      device: tap(),
      model: 'virtio-net-pci-transitional',
      vhost: true,
      bus: 'rp0',
      romfile: '',
      properties: { host_mtu: 1400, rss: true, guest_csum: false, failover_pair_id: 'x' },
      netdevProperties: { sndbuf: 1048576 },
    },
  ]);
  t.strictSame(args, [
    '-netdev',
    'tap,id=tapfd0,fd=3,vhost=on,sndbuf=1048576',
    '-device',
    'virtio-net-pci-transitional,id=tapfd0-nic,netdev=tapfd0,mac=52:54:00:aa:bb:cc,bus=rp0,romfile=,' +
      'host_mtu=1400,rss=on,guest_csum=off,failover_pair_id=x',
  ]);
});

t.test('interrupt vectors only for PCI cards, and the number that the user gave stands', async (t) => {
  const device = [tap({ fd: 21 }), tap({ fd: 22 })];
  const card = (nic: object): string | undefined => qemuNetworkArguments([{ device, ...nic }]).args[3];
  t.match(card({ model: 'virtio-net' }), /,mq=on,vectors=6$/);
  t.match(card({ model: 'virtio-net-device' }), /,mq=on$/);
  t.match(card({ properties: { vectors: 10 } }), /,mq=on,vectors=10$/);
});

t.test('a comma in a value does not begin another option', async (t) => {
  const { args } = qemuNetworkArguments([
    {
      device: tap(),
      bus: 'a,b',
      romfile: '/x,id=y',
      properties: { failover_pair_id: ',,netdev=z' },
      netdevProperties: { 'poll-us': '1,script=/bin/sh' },
    },
  ]);
  t.strictSame(args, [
    '-netdev',
    'tap,id=tapfd0,fd=3,poll-us=1,,script=/bin/sh',
    '-device',
    'virtio-net-pci,id=tapfd0-nic,netdev=tapfd0,mac=52:54:00:aa:bb:cc,bus=a,,b,romfile=/x,,id=y,' +
      'failover_pair_id=,,,,netdev=z',
  ]);
});

t.test('classic style: the command line of the paper', async (t) => {
  const made = qemuNetworkArguments([{ device: macvtap({ mac: '52:54:00:12:34:80' }) }], {
    style: 'classic',
  });
  t.strictSame(made.args, ['-net', 'nic,model=virtio-net-pci,macaddr=52:54:00:12:34:80', '-net', 'tap,fd=3']);
  t.strictSame(made.nics, [
    { netdevId: 'tapfd0', deviceId: undefined, mac: '52:54:00:12:34:80', childFds: [3] },
  ]);
  t.strictSame(qemuNetworkArguments([], { style: 'classic' }).args, []);
});

t.test('the MAC of a guest that was given none', async (t) => {
  t.equal(guestMacFor(tap()), '52:54:00:aa:bb:cc', "a TAP's last three bytes under QEMU's prefix");
  t.equal(guestMacFor(tap({ mac: '52:54:00:aa:bb:cc' })), '52:54:01:aa:bb:cc', "never the TAP's own");
  t.equal(guestMacFor(macvtap()), '02:00:00:00:00:09', "a macvtap's own");
  for (const wrong of [
    tap({ mac: undefined }),
    undefined,
    null,
    'tap0',
    { kind: 'tap', mac: '02:00:00:00:00:01' },
  ]) {
    // @ts-expect-error: most of these are wrong types on purpose
    const call = () => guestMacFor(wrong);
    t.throws(call, { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'device' });
  }
  // @ts-expect-error: it takes one
  t.throws(() => guestMacFor(tap(), {}), { argument: 'argument 2' });
});

t.test('a given MAC is read in any spelling and written in one', async (t) => {
  const [nic] = qemuNetworkArguments([{ device: tap(), mac: '52:54:00:AB:CD:EF' }]).nics;
  t.equal(nic?.mac, '52:54:00:ab:cd:ef');
  const [same] = qemuNetworkArguments([
    { device: macvtap({ mac: '02:00:00:00:00:aa' }), mac: '02:00:00:00:00:AA' },
  ]).nics;
  t.equal(same?.mac, '02:00:00:00:00:aa', "and compared so with the macvtap's");
});

t.test('descriptors of /dev/vhost-net', async (t) => {
  const VHOST_NET = (10 << 8) | 238;
  const withNode = (rdev: number, isCharacterDevice = true): Promise<typeof import('tapfd/qemu')> =>
    t.mockImport<typeof import('tapfd/qemu')>('#lib/qemu/index.js', {
      'node:fs': t.createMock(fs, {
        fstatSync: () => ({ rdev, isCharacterDevice: () => isCharacterDevice }),
      }),
    });
  const [first, second] = [tap({ fd: 20 }), tap({ fd: 21 })];

  t.test('come behind the queues of their card', async (t) => {
    const { qemuNetworkArguments: write } = await withNode(VHOST_NET);
    const other = tap({ fd: 22, index: 8, mac: '02:00:00:00:00:08' });
    const { args, fds, nics } = write([
      { device: [first, second], vhostFds: [30, { fd: 31 }] },
      { device: other, vhost: true, vhostFds: [32] },
    ]);
    t.strictSame(fds, [20, 21, 30, 31, 22, 32]);
    t.equal(args[1], 'tap,id=tapfd0,fds=3:4,vhost=on,vhostfds=5:6');
    t.equal(args[5], 'tap,id=tapfd1,fd=7,vhost=on,vhostfd=8');
    t.strictSame(
      nics.map(({ childFds }) => childFds),
      [[3, 4], [7]],
    );
  });

  t.test('must be such, one for each queue', async (t) => {
    const { qemuNetworkArguments: write } = await withNode(VHOST_NET);
    const bad: QemuNic[] = [
      { device: [first, second], vhostFds: [30] },
      { device: first, vhostFds: [30, 31] },
      { device: first, vhost: false, vhostFds: [30] },
    ];
    for (const nic of bad) {
      t.throws(() => write([nic]), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'nics[0].vhostFds' });
    }
    for (const { qemuNetworkArguments: refuse } of [
      await withNode(VHOST_NET, false),
      await withNode(0x103),
    ]) {
      t.throws(() => refuse([{ device: first, vhostFds: [30] }]), {
        code: 'ERR_TAPFD_QEMU_VHOST',
        argument: 'nics[0].vhostFds[0]',
      });
    }
    const nullDevice = fs.openSync('/dev/null', 'r');
    t.teardown(() => fs.closeSync(nullDevice));
    t.throws(() => qemuNetworkArguments([{ device: first, vhostFds: [nullDevice] }]), {
      code: 'ERR_TAPFD_QEMU_VHOST',
    });
    const { device } = { device: first };
    t.throws(() => write([{ device, vhostFds: [30] }], { style: 'classic' }), {
      code: 'ERR_TAPFD_INVALID_ARGUMENT',
      argument: 'style',
    });
    t.throws(() => write([{ device, netdevProperties: { vhostfd: 5 } }]), {
      code: 'ERR_TAPFD_INVALID_ARGUMENT',
      argument: 'nics[0].netdevProperties',
    });
  });
});
