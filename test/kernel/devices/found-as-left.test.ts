/** An opening call that fails on a device that was there leaves it as it found it. */
import { closeSync } from 'node:fs';
import t, { type Test } from 'tap';
import { adoptFd, type FrameStream, openMacvtap, openTap, openTun, type TapOptions } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { vnetHeaderSize } from '../../kit/device-ioctl.js';
import { send, testFrame, textsUntil } from '../../kit/frames.js';
import { bridgeAndWire, type TestNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const MAC = '02:00:00:00:00:0a';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
/** No link can have it, which only the kernel knows. */
const BAD_ADDRESS = 'ff02::1/64';
/** Longer than the lower device's. */
const BAD_MTU = 9000;

/** What `ip` shows of a link, without what counts and grows old. */
async function stateOf(network: TestNamespace, name: string): Promise<unknown> {
  const [link] = JSON.parse(await network.ip('-d', '-j', 'address', 'show', 'dev', name));
  // Not whether duplicate address detection has ended.
  const addresses = link.addr_info.map(
    ({ local, prefixlen }: { local: string; prefixlen: number }) => `${local}/${prefixlen}`,
  );
  link.addr_info = addresses.sort();
  // Every open sets it, and without one it means nothing.
  if (link.linkinfo.info_data) delete link.linkinfo.info_data.vnet_hdr;
  const sysctl = `net.ipv6.conf.${name}.disable_ipv6`;
  return { link, disableIpv6: (await network.exec('sysctl', '-n', sysctl)).trim() };
}

t.test(
  'a failed call',
  { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'veth', 'ip') },
  async (t) => {
    const network = await bridgeAndWire(t);
    const netns = network.name;

    /** Everything that an opening call sets, and one address that fails last. */
    const EVERYTHING: TapOptions = {
      mac: '02:00:00:00:00:0b',
      mtu: 1400,
      allMulticast: true,
      bridge: 'br0',
      owner: 1001,
      group: 1001,
      vnetHeader: true,
      offload: ['csum', 'tso4'],
      addresses: ['10.1.0.9/24', BAD_ADDRESS],
    };

    /** A TAP or TUN that no program has open. */
    async function lasting(options: TapOptions, up: boolean): Promise<void> {
      const name = `${options.name}`;
      const { mac, ...rest } = options;
      const device = await (mac === undefined ? openTun(rest) : openTap(options));
      await device.close();
      await network.ip('link', 'set', name, up ? 'up' : 'down');
    }

    for (const up of [true, false]) {
      t.test(`a TAP that is ${up ? 'up' : 'down'}`, async (t) => {
        const options = { netns, name: 'lan', owner: 1000, group: 1000, persist: true };
        await lasting({ ...options, mac: MAC, addresses: ['10.1.0.1/24', 'fd00::1/64'], up }, up);
        const before = await stateOf(network, 'lan');
        const expected = { code: 'EADDRNOTAVAIL', syscall: 'rtnetlink RTM_NEWADDR', interface: 'lan' };
        await t.rejects(openTap({ netns, name: 'lan', ...EVERYTHING }), expected);
        t.strictSame(await stateOf(network, 'lan'), before);
        const controller = new AbortController();
        const opening = openTap({
          ...{ netns, name: 'lan', signal: controller.signal },
          ...{ ...EVERYTHING, addresses: ['10.1.0.9/24'], ipv6: false },
        });
        controller.abort();
        await t.rejects(opening, { name: 'AbortError' });
        t.strictSame(await stateOf(network, 'lan'), before, 'aborted');
        await network.ip('link', 'delete', 'lan');
      });

      t.test(`a TUN that is ${up ? 'up' : 'down'}`, async (t) => {
        await lasting({ netns, name: 'vpn', persist: true, addresses: ['10.2.0.1/24'], up }, up);
        const before = await stateOf(network, 'vpn');
        await t.rejects(openTun({ netns, name: 'vpn', mtu: 1400, addresses: [BAD_ADDRESS] }), {
          code: 'EADDRNOTAVAIL',
          syscall: 'rtnetlink RTM_NEWADDR',
        });
        t.strictSame(await stateOf(network, 'vpn'), before);
        await network.ip('link', 'delete', 'vpn');
      });

      t.test(`a macvtap that is ${up ? 'up' : 'down'}`, async (t) => {
        const made = await openMacvtap({ netns, lower: 'wire', name: 'guest', mac: MAC, up, persist: true });
        await made.close();
        const before = await stateOf(network, 'guest');
        const options = { netns, name: 'guest', mac: '02:00:00:00:00:0b', allMulticast: true, ipv6: true };
        await t.rejects(openMacvtap({ ...options, addresses: [BAD_ADDRESS] }), {
          code: 'EADDRNOTAVAIL',
          syscall: 'rtnetlink RTM_NEWADDR',
        });
        await t.rejects(openMacvtap({ ...options, mtu: BAD_MTU }), { code: 'EINVAL' });
        t.strictSame(await stateOf(network, 'guest'), before);
        await network.ip('link', 'delete', 'guest');
      });
    }

    t.test('the size of the vnet header and the offloads', async (t) => {
      const options = { netns, name: 'lan', multiQueue: true };
      await lasting({ ...options, mac: MAC, persist: true, segment: true }, true);
      await t.rejects(openTap({ ...options, vnetHeader: true, offload: ['csum'], addresses: [BAD_ADDRESS] }));
      t.match(
        await network.exec('ethtool', '-k', 'lan').catch(() => 'tcp-segmentation-offload: on'),
        /tcp-segmentation-offload: on/,
      );
      await network.ip('link', 'delete', 'lan');
    });

    /** Asks for what cannot be: a device that this thread has, and one that another handle polls. */
    async function refusedAdoption(t: Test, device: FrameStream, options: object): Promise<void> {
      await t.rejects(adoptFd(device.fd, { netns, ...options }), { code: 'ERR_TAPFD_INVALID_STATE' });
    }

    t.test('adoptFd of a device of this thread: it goes on as it was', async (t) => {
      const macvtap = closedWith(t, await openMacvtap({ netns, lower: 'wire', guestMac: MAC }));
      const sibling = closedWith(t, await openMacvtap({ netns, lower: 'wire' }));
      await refusedAdoption(t, macvtap, { vnetHeader: true });
      const both = [
        adoptFd(macvtap.fd, { netns, vnetHeader: true }),
        adoptFd(macvtap.fd, { netns, segment: true }),
      ];
      t.ok((await Promise.allSettled(both)).every(({ status }) => status === 'rejected'));
      await send(sibling, testFrame({ to: MAC, from: `${sibling.mac}`, text: 'whole' }));
      await textsUntil(macvtap, 'whole');
    });

    t.test('adoptFd that expects another device: nothing is changed', async (t) => {
      const device = await openMacvtap({ netns, lower: 'wire', guestMac: MAC });
      const { name, mac } = device;
      const fd = device.handOff();
      const wrong = { code: 'ERR_TAPFD_WRONG_DEVICE', interface: name };
      for (const [expect, message] of [
        [{ kind: 'tap' }, /is that of the macvtap .*, and a tap was expected/],
        [{ name: 'other' }, /a device other was expected/],
        [{ mac: '02:00:00:00:00:0c' }, /a device with MAC 02:00:00:00:00:0c was expected/],
        [{ vnetHeaderBytes: 10 }, /has a vnet header of 0 bytes, and one of 10 was expected/],
      ] as const) {
        await t.rejects(adoptFd(fd, { netns, vnetHeader: true, expect }), { ...wrong, message });
      }
      const adopted = await adoptFd(fd, {
        netns,
        expect: { kind: 'macvtap', name, mac, vnetHeaderBytes: 0 },
      });
      t.notOk(adopted.flags.vnetHeader);
      await adopted.close();
      await device.close();
    });

    t.test('adoptFd without a header of 10 bytes: segment is refused, and the header stays', async (t) => {
      const device = await openTap({ netns, bridge: 'br0' });
      const fd = device.handOff();
      const differs = { code: 'ERR_TAPFD_DEVICE_DIFFERS', message: /no vnet header.*leave out vnetHeader/ };
      await t.rejects(adoptFd(fd, { netns, segment: true }), differs);
      const adopted = await adoptFd(fd, { netns });
      t.notOk(adopted.flags.vnetHeader);
      await adopted.close();
      await device.close();
    });

    t.test('handOffOptions(): what adoptFd must know', async (t) => {
      for (const device of [
        await openTap({ netns, segment: true, copyFrames: true, readableHighWaterMark: 7 }),
        await openMacvtap({ netns, lower: 'wire', guestMac: MAC, macCheck: 'drop', segment: true }),
        await openMacvtap({ netns, lower: 'wire', vnetHeader: true, offload: ['csum', 'tso4'] }),
        await openTun({ netns, vnetHeader: true }),
      ]) {
        const options = structuredClone(device.handOffOptions());
        const facts = ({
          kind,
          name,
          mac,
          vnetHeaderBytes,
          flags,
          features,
          readableHighWaterMark,
        }: FrameStream) => ({
          ...{ kind, name, mac, vnetHeaderBytes, flags, features, readableHighWaterMark },
        });
        const before = facts(device);
        const adopted = await adoptFd(device.handOff(), { netns, ...JSON.parse(JSON.stringify(options)) });
        t.strictSame(facts(adopted), before);
        t.strictSame(adopted.handOffOptions(), options);
        await adopted.close();
        await device.close();
      }
    });

    t.test('a descriptor that was refused is closed by its owner', async (t) => {
      const device = await openTap({ netns, name: 'mine', vnetHeader: true });
      const fd = device.handOff();
      await t.rejects(adoptFd(fd, { netns, expect: { name: 'yours' } }), { code: 'ERR_TAPFD_WRONG_DEVICE' });
      const adopted = await adoptFd(fd, { netns });
      t.equal(vnetHeaderSize(adopted), 10);
      const again = adopted.handOff();
      closeSync(again);
      t.equal(await network.link('mine'), undefined);
    });

    t.test('frames of a device whose opening failed', async (t) => {
      const first = closedWith(t, await openTap({ netns, name: 'shared', bridge: 'br0', multiQueue: true }));
      const sender = closedWith(t, await openTap({ netns, bridge: 'br0' }));
      await t.rejects(openTap({ netns, name: 'shared', multiQueue: true, addresses: [BAD_ADDRESS] }));
      await send(sender, testFrame({ to: BROADCAST, from: MAC, text: 'still here' }));
      await textsUntil(first, 'still here');
    });
  },
);
