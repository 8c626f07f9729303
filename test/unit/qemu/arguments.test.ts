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

t.test('classic style refuses what it cannot say', async (t) => {
  const two = [{ device: tap() }, { device: macvtap() }];
  const queues = [{ device: [tap({ fd: 21 }), tap({ fd: 22 })] }];
  const extras = [
    { vhost: true },
    { bus: 'pci.0' },
    { romfile: '' },
    { properties: { rss: true } },
    { netdevProperties: { sndbuf: 0 } },
  ].map((extra) => [{ device: tap(), ...extra }]);
  for (const nics of [two, queues, ...extras]) {
    t.throws(() => qemuNetworkArguments(nics, { style: 'classic' }), {
      code: 'ERR_TAPFD_INVALID_ARGUMENT',
      argument: 'style',
    });
  }
});

t.test('the MAC of a guest that was given none', async (t) => {
  t.equal(guestMacFor(tap()), '52:54:00:aa:bb:cc', "a TAP's last three bytes under QEMU's prefix");
  t.equal(guestMacFor(tap({ mac: '52:54:00:aa:bb:cc' })), '52:54:01:aa:bb:cc', "never the TAP's own");
  t.equal(guestMacFor(macvtap()), '02:00:00:00:00:09', "a macvtap's own");
  t.throws(() => guestMacFor(tap({ mac: undefined })), { code: 'ERR_TAPFD_INVALID_ARGUMENT' });
});

t.test('a given MAC is read in any spelling and written in one', async (t) => {
  const [nic] = qemuNetworkArguments([{ device: tap(), mac: '52:54:00:AB:CD:EF' }]).nics;
  t.equal(nic?.mac, '52:54:00:ab:cd:ef');
  const [same] = qemuNetworkArguments([
    { device: macvtap({ mac: '02:00:00:00:00:aa' }), mac: '02:00:00:00:00:AA' },
  ]).nics;
  t.equal(same?.mac, '02:00:00:00:00:aa', "and compared so with the macvtap's");
});

t.test('misuse is refused, and says what', async (t) => {
  const device = tap();
  const bad: [unknown, string][] = [
    [undefined, 'nics'],
    [{}, 'nics'],
    [[null], 'nics[0]'],
    [[{}], 'nics[0].device'],
    [[{ device: 7 }], 'nics[0].device'],
    [[{ device: [] }], 'nics[0].device'],
    [[{ device: [device, {}] }], 'nics[0].device[1]'],
    [[{ device, id: '0' }], 'nics[0].id'],
    [[{ device, id: 'a,fd=9' }], 'nics[0].id'],
    [[{ device, id: '' }], 'nics[0].id'],
    [[{ device, id: 'a\n' }], 'nics[0].id'],
    [[{ device, model: 'e1000,romfile=/x' }], 'nics[0].model'],
    [[{ device, model: '{"driver":"e1000"}' }], 'nics[0].model'],
    [[{ device, vhost: 'on' }], 'nics[0].vhost'],
    [[{ device, bus: 3 }], 'nics[0].bus'],
    [[{ device, romfile: 'a\0b' }], 'nics[0].romfile'],
    [[{ device, properties: [] }], 'nics[0].properties'],
    [[{ device, properties: { 'a=b': 1 } }], 'nics[0].properties'],
    [[{ device, properties: { 'a,b': 1 } }], 'nics[0].properties'],
    [[{ device, properties: { mac: 'x' } }], 'nics[0].properties'],
    [[{ device, properties: { x: Number.NaN } }], 'nics[0].properties.x'],
    [[{ device, properties: { x: null } }], 'nics[0].properties.x'],
    [[{ device, netdevProperties: { fd: 4 } }], 'nics[0].netdevProperties'],
    [[{ device, mac: '52:54:00' }], 'nics[0].mac'],
    [[{ device, mac: '01:00:5e:00:00:01' }], 'nics[0].mac'],
    [[{ device, mac: '00:00:00:00:00:00' }], 'nics[0].mac'],
    [[{ device, mac: 5 }], 'nics[0].mac'],
    [
      [
        { device, id: 'a' },
        { device: macvtap(), id: 'a' },
      ],
      'nics[1].id',
    ],
    [[{ device, id: 'tapfd1' }, { device: macvtap() }], 'nics[1].id'],
  ];
  for (const [nics, argument] of bad) {
    // @ts-expect-error: these are the wrong types on purpose
    t.throws(() => qemuNetworkArguments(nics), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument }, argument);
  }
  for (const firstFd of [2, -1, 3.5, Number.NaN, '3']) {
    // @ts-expect-error: so are some of these
    t.throws(() => qemuNetworkArguments([], { firstFd }), { argument: 'firstFd' });
  }
  // @ts-expect-error: and these
  t.throws(() => qemuNetworkArguments([], { style: 'nic' }), {
    code: 'ERR_TAPFD_INVALID_ARGUMENT',
    argument: 'style',
  });
  // @ts-expect-error: and this
  t.throws(() => qemuNetworkArguments([], 5), { argument: 'options' });
});

t.test('a device is known by its contract', async (t) => {
  const device = tap();
  const lookAlike = { ...device, fd: device.fd, handedOff: false };
  // @ts-expect-error: the wrong type on purpose
  t.throws(() => qemuNetworkArguments([{ device: lookAlike }]), {
    code: 'ERR_TAPFD_INVALID_ARGUMENT',
    argument: 'nics[0].device',
    message: /an open Tap or Macvtap/,
  });
  const otherCopy = await t.mockImport<typeof import('tapfd/qemu')>('#lib/qemu/index.js', {});
  t.ok(otherCopy.qemuNetworkArguments([{ device }]), 'which every copy of the library in a process shares');
});

t.test('what QEMU would accept in silence', async (t) => {
  const code = (name: string): { code: string } => ({ code: `ERR_TAPFD_${name}` });
  t.test('a TUN', async (t) => {
    t.throws(() => qemuNetworkArguments([{ device: tap({ kind: 'tun', name: 'tun3', mac: undefined }) }]), {
      ...code('QEMU_TUN'),
      interface: 'tun3',
      message: /openTap/,
    });
  });
  t.test('packet information', async (t) => {
    const flags = { packetInfo: true, vnetHeader: false, detached: false };
    t.throws(() => qemuNetworkArguments([{ device: tap({ flags }) }]), code('QEMU_PACKET_INFO'));
  });
  t.test('a closed device', async (t) => {
    t.throws(() => qemuNetworkArguments([{ device: tap({ destroyed: true }) }]), code('QEMU_DEAD_DEVICE'));
    const handedOff = tap();
    handedOff.handOff();
    t.throws(() => qemuNetworkArguments([{ device: handedOff }]), {
      ...code('QEMU_DEAD_DEVICE'),
      message: /handed off/,
    });
  });
  t.test('a detached queue', async (t) => {
    const flags = { packetInfo: false, vnetHeader: false, detached: true };
    t.throws(() => qemuNetworkArguments([{ device: tap({ flags }) }]), code('QEMU_DETACHED_QUEUE'));
  });
  t.test('queues of two interfaces', async (t) => {
    for (const other of [{ index: 8 }, { name: 'tap8' }, { mac: '02:00:00:00:00:01' }, { kind: 'macvtap' }]) {
      const device = [tap(), tap({ fd: 21, ...other })];
      t.throws(() => qemuNetworkArguments([{ device }]), code('QEMU_MIXED_QUEUES'));
    }
  });
  t.test('queues that differ in their virtio header', async (t) => {
    const withHeader = { flags: { packetInfo: false, vnetHeader: true, detached: false } };
    const none = tap();
    const ten = tap({ fd: 21, ...withHeader, vnetHeaderBytes: 10 });
    const twelve = tap({ fd: 22, ...withHeader, vnetHeaderBytes: 12 });
    t.throws(() => qemuNetworkArguments([{ device: [none, ten] }]), {
      ...code('QEMU_MIXED_VNET_HEADER'),
      message: /found none and one of 10 bytes/,
    });
    t.throws(() => qemuNetworkArguments([{ device: [ten, twelve] }]), code('QEMU_MIXED_VNET_HEADER'));
    t.ok(qemuNetworkArguments([{ device: [ten, tap({ fd: 23, ...withHeader, vnetHeaderBytes: 10 })] }]));
  });
  t.test('vhost or queues on a card without', async (t) => {
    t.throws(
      () => qemuNetworkArguments([{ device: tap(), model: 'e1000', vhost: true }]),
      code('QEMU_MODEL'),
    );
    const device = [tap(), tap({ fd: 21 })];
    t.throws(() => qemuNetworkArguments([{ device, model: 'e1000' }]), code('QEMU_MODEL'));
    t.ok(qemuNetworkArguments([{ device: tap(), model: 'e1000' }]));
  });
  t.test("another MAC than the macvtap's", async (t) => {
    t.throws(() => qemuNetworkArguments([{ device: macvtap(), mac: '52:54:00:00:00:01' }]), {
      ...code('MAC_MISMATCH'),
      message: /52:54:00:00:00:01.*02:00:00:00:00:09/s,
      interface: 'macvtap0',
    });
  });
  t.test("the TAP's own MAC", async (t) => {
    t.throws(
      () => qemuNetworkArguments([{ device: tap(), mac: '02:00:00:aa:bb:cc' }]),
      code('QEMU_HOST_MAC'),
    );
  });
  t.test('a MAC, a descriptor, an interface twice', async (t) => {
    const mac = '52:54:00:00:00:01';
    const other = (facts = {}): FakeDevice =>
      tap({ fd: 21, name: 'tap8', index: 8, mac: '02:00:00:00:00:08', ...facts });
    t.throws(
      () =>
        qemuNetworkArguments([
          { device: tap(), mac },
          { device: other(), mac },
        ]),
      { ...code('QEMU_DUPLICATE_MAC'), message: /nics\[1\].*nics\[0\]/ },
    );
    t.throws(
      () => qemuNetworkArguments([{ device: tap() }, { device: other({ fd: 20 }) }]),
      code('QEMU_DUPLICATE_FD'),
    );
    const device = tap();
    t.throws(() => qemuNetworkArguments([{ device: [device, device] }]), code('QEMU_DUPLICATE_FD'));
    t.throws(
      () => qemuNetworkArguments([{ device: tap() }, { device: tap({ fd: 21 }), mac }]),
      code('QEMU_DUPLICATE_INTERFACE'),
    );
    t.ok(qemuNetworkArguments([{ device: tap() }, { device: other() }]));
  });
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
