/** Devices that go to a real QEMU and come back. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { adoptFd, openMacvtap, openTap } from 'tapfd';
import { needs } from '../../kit/capabilities.js';
import { FaultySocket } from '../../kit/faulty-socket.js';
import { bridgeAndWire, type TestNamespace } from '../../kit/namespace.js';
import { startQemu, tapsOf } from '../../kit/real-qemu.js';

/** A TAP's settings in the kernel, read by a program that shares no code with the library, after `change`. */
function askKernel(net: TestNamespace, { fd, name }: { fd: number; name: string }, change = ''): unknown {
  const script = `
import ctypes, fcntl, json, os, socket, struct, sys
def set_vnet_header(size): fcntl.ioctl(3, 0x400454d8, struct.pack("i", size))
${change}
def ask(request): return struct.unpack("i", fcntl.ioctl(3, request, bytes(4)))[0]
def ethtool(command):
    value = ctypes.create_string_buffer(struct.pack("II", command, 0))
    request = struct.pack("16sQ16x", "${name}".encode(), ctypes.addressof(value))
    fcntl.ioctl(socket.socket(), 0x8946, request)
    return struct.unpack("II", value.raw[:8])[1]
print(json.dumps({
    "vnetHeader": ask(0x800454d7), "sendBuffer": ask(0x800454d3),
    "checksums": ethtool(0x16), "segmentation": ethtool(0x1e),
    "nonBlocking": os.get_blocking(3) == False,
}))`;
  const { stdout, stderr } = spawnSync('ip', ['netns', 'exec', net.name, 'python3', '-c', script], {
    stdio: ['ignore', 'pipe', 'pipe', fd],
    encoding: 'utf8',
  });
  return JSON.parse(stdout || JSON.stringify(stderr));
}

const skip = needs('root', 'tun-device', 'netns', 'ip', 'bridge', 'veth', 'macvtap', 'qemu');

t.test('a real monitor', { skip }, async (t) => {
  t.test('a device that comes back is set up as it was', { skip: needs('python3') }, async (t) => {
    const net = await bridgeAndWire(t);
    const { qmp } = await startQemu(t);
    const opened = await openTap({ netns: net.name, vnetHeader: true });
    t.teardown(() => opened[Symbol.asyncDispose]());
    askKernel(net, opened, 'set_vnet_header(12)');
    const device = await adoptFd(opened.handOff(), { netns: net.name });
    t.teardown(() => device[Symbol.asyncDispose]());
    if (device.kind === 'tun') throw new Error('a TAP was adopted as a TUN');
    await device.setOffload(['csum', 'tso4']);
    await device.setSendBuffer(65_536);
    const before = askKernel(net, device);
    t.match(before, { vnetHeader: 12, sendBuffer: 65_536, checksums: 1, segmentation: 1, nonBlocking: true });
    const refused = { code: 'ERR_TAPFD_QMP', command: 'device_add' };
    await t.rejects(qmp.addNic({ device, romfile: '', bus: 'none' }), refused);
    t.strictSame(askKernel(net, device), before);
  });

  t.test('QEMU ends at a step: the device is ours, and the next QEMU can have it', async (t) => {
    const net = await bridgeAndWire(t);
    const device = await openTap({ netns: net.name, bridge: 'br0' });
    t.teardown(() => device[Symbol.asyncDispose]());
    const faults: FaultySocket[] = [];
    const dying = await startQemu(t, (socket) => {
      faults.push(new FaultySocket(socket, 'lost'));
      return faults[0];
    });
    faults[0].remaining = 2;
    faults[0].onLost = () => dying.child.kill('SIGKILL');
    await t.rejects(dying.qmp.addNic({ device, romfile: '' }), { code: 'ERR_TAPFD_QMP_CLOSED' });
    t.notOk(device.handedOff);
    const { child, qmp } = await startQemu(t);
    await qmp.addNic({ device, romfile: '' });
    t.equal(tapsOf(child.pid), 1);
  });

  t.test('QEMU is killed: a macvtap link that the opening made goes', async (t) => {
    const net = await bridgeAndWire(t);
    const { child, qmp } = await startQemu(t);
    const device = await openMacvtap({ netns: net.name, name: 'guest', lower: 'wire' });
    t.teardown(() => device[Symbol.asyncDispose]());
    const refused = { code: 'ERR_TAPFD_QMP', command: 'device_add' };
    await t.rejects(qmp.addNic({ device, romfile: '', bus: 'none' }), refused);
    t.equal(device.destroyed, false, 'a step that fails costs a macvtap nothing either');
    await qmp.addNic({ device, romfile: '' });
    const closed = once(device, 'close');
    child.kill('SIGKILL');
    await closed;
    t.equal(await net.link('guest'), undefined);
  });

  t.test(
    'add-fd is refused while the guest does not run: QEMU could not remove the sets again',
    async (t) => {
      const net = await bridgeAndWire(t);
      const { child, qmp } = await startQemu(t);
      await qmp.execute('stop');
      const device = await openTap({ netns: net.name, bridge: 'br0' });
      t.teardown(() => device[Symbol.asyncDispose]());
      await t.rejects(qmp.addNic({ device, romfile: '', via: 'add-fd' }), {
        code: 'ERR_TAPFD_INVALID_STATE',
      });
      t.equal(tapsOf(child.pid), 0);
      await qmp.addNic({ device, romfile: '' });
      t.equal(tapsOf(child.pid), 1, 'getfd works then as well');
    },
  );
});
