/** What qemuNetworkArguments() refuses, some of which QEMU would accept silently. */
import t from 'tap';
import { Tap } from 'tapfd';
import { qemuNetworkArguments } from 'tapfd/qemu';
import { type FakeDevice, fakeDevice } from '../../kit/fake-device.js';
import { revokedProxy } from '../../kit/odd-values.js';

const tap = (facts = {}): FakeDevice => fakeDevice({ fd: 20, ...facts });

const macvtap = (facts = {}): FakeDevice =>
  fakeDevice({ fd: 30, kind: 'macvtap', name: 'macvtap0', index: 9, mac: '02:00:00:00:00:09', ...facts });

t.test('classic style refuses what it cannot express', async (t) => {
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

t.test('misuse is refused, and the error says what', async (t) => {
  const device = tap();
  const bad: [unknown, string][] = [
    [undefined, 'nics'],
    [{}, 'nics'],
    [[null], 'nics[0]'],
    [new Array(1), 'nics[0]'],
    [[{ device, Mac: '52:54:00:00:00:01' }], 'nics[0].Mac'],
    [[{ device }, { device: macvtap(), via: 'getfd' }], 'nics[1].via'],
    [[{ device: Object.assign(new Array(2), [device]) }], 'nics[0].device[1]'],
    [[{ device, vhostFds: new Array(1) }], 'nics[0].vhostFds[0]'],
    [[{}], 'nics[0].device'],
    [[{ device: 7 }], 'nics[0].device'],
    [[{ device: new Proxy(device, {}) }], 'nics[0].device'],
    [[{ device: Object.create(Tap.prototype) }], 'nics[0].device'],
    [[{ device: new Array(2 ** 31) }], 'nics[0].device'],
    [[{ device, vhostFds: new Array(2 ** 31) }], 'nics[0].vhostFds'],
    [[{ device, vhostFds: [revokedProxy()] }], 'nics[0].vhostFds[0]'],
    [revokedProxy(), 'nics'],
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
  for (const firstFd of [2, -1, 3.5, Number.NaN, '3', 0x7fff_ffff, 1024 * 1024]) {
    // @ts-expect-error: so are some of these
    t.throws(() => qemuNetworkArguments([], { firstFd }), { argument: 'firstFd' });
  }
  // @ts-expect-error: and these
  t.throws(() => qemuNetworkArguments([], { style: 'nic' }), {
    code: 'ERR_TAPFD_INVALID_ARGUMENT',
    argument: 'style',
  });
  // @ts-expect-error: and these
  t.throws(() => qemuNetworkArguments([], 5), { argument: 'options' });
  // @ts-expect-error
  t.throws(() => qemuNetworkArguments([], { firstFD: 5 }), { argument: 'firstFD' });
  // @ts-expect-error
  t.throws(() => qemuNetworkArguments([], {}, {}), { argument: 'argument 3' });
  t.equal(qemuNetworkArguments([], { firstFd: 1024 * 1024 - 1 }).stdio.length, 1024 * 1024 - 1);
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

t.test('what QEMU would accept silently', async (t) => {
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
    t.throws(() => qemuNetworkArguments([{ device: [device, device] }]), {
      ...code('QEMU_DUPLICATE_FD'),
      message: /nics\[0\]\.device\[1\].*nics\[0\]\.device\[0\]/,
    });
    t.throws(
      () => qemuNetworkArguments([{ device: [tap(), tap({ fd: 21 })], vhostFds: [1, 1] }]),
      code('QEMU_DUPLICATE_FD'),
    );
    t.throws(
      () => qemuNetworkArguments([{ device: tap() }, { device: tap({ fd: 21 }), mac }]),
      code('QEMU_DUPLICATE_INTERFACE'),
    );
    t.ok(qemuNetworkArguments([{ device: tap() }, { device: other() }]));
  });
});
