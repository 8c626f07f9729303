/** A device that is open is opened once more: the kernel ignores other flags (TUNSETIFF) without a word, so the library refuses them. */
import t, { type Test } from 'tap';
import { adoptFd, openTap, openTun, type Tap, type TapOptions, type Tun } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { sendBufferBytes, setVnetHeaderSize, vnetHeaderSize } from '../../kit/device-ioctl.js';
import { send, testFrame, textsUntil } from '../../kit/frames.js';
import { ownNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device');

t.test('living devices', { skip: needs('root', 'tun-device', 'bridge', 'ip') }, async (t) => {
  const network = await ownNamespace(t);
  const netns = network.name;
  await network.bridge('br0');
  const shared = { netns, name: 'shared', multiQueue: true };
  const differs = { code: 'ERR_TAPFD_DEVICE_DIFFERS', interface: 'shared' };
  const queuesOf = async () => Number((await network.info('shared')).numqueues);

  /** Pairs of options that contradict each other, and what the message says of the device and of the call. */
  const CONTRADICTIONS: [TapOptions, TapOptions, RegExp][] = [
    [{}, { vnetHeader: true }, /vnetHeader: false.*asks for vnetHeader: true/],
    [{ vnetHeader: true }, {}, /vnetHeader: true.*asks for vnetHeader: false/],
    [{}, { packetInfo: true }, /packetInfo: false.*asks for packetInfo: true/],
    [{ packetInfo: true }, {}, /packetInfo: true.*asks for packetInfo: false/],
    [{}, { segment: true }, /vnetHeader: false.*asks for vnetHeader: true/],
    [{ segment: true }, {}, /vnetHeader: true.*asks for vnetHeader: false/],
    [
      { packetInfo: true, vnetHeader: true },
      {},
      /packetInfo: true and vnetHeader: true.*packetInfo: false and vnetHeader: false/,
    ],
    [{ segment: true }, { vnetHeader: true }, /offload: csum, tso4, tso6.*asks for offload: none/],
    [
      { vnetHeader: true, offload: ['csum', 'tso4'] },
      { vnetHeader: true, offload: ['csum'] },
      /offload: csum, tso4.*asks for offload: csum/,
    ],
  ];

  for (const open of [openTap, openTun] as ((options: TapOptions) => Promise<Tap | Tun>)[]) {
    for (const [first, other, message] of CONTRADICTIONS) {
      const title = `${open === openTap ? 'tap' : 'tun'} ${JSON.stringify(first)}, then ${JSON.stringify(other)}`;
      t.test(`${title}: refused`, async (t) => {
        const device = await open({ ...shared, ...first });
        await t.rejects(open({ ...shared, ...other }), { ...differs, message });
        t.equal(await queuesOf(), 1, 'nothing was joined');
        const second = await open({ ...shared, ...first });
        t.strictSame(second.flags, device.flags, 'the same options are welcome');
        t.strictSame(second.features.offload, device.features.offload);
        await second.close();
        await device.close();
        await (await open({ ...shared, ...other })).close();
      });
    }
  }

  t.test('a queue that asks for more offloads takes those that the device has', async (t) => {
    const first = closedWith(t, await openTap({ ...shared, vnetHeader: true, offload: ['csum'] }));
    const second = closedWith(t, await openTap({ ...shared, segment: true }));
    t.strictSame([first.features.offload, second.features.offload], [['csum'], ['csum']]);
  });

  /** Opens a device with a vnet header of the 12 bytes that QEMU sets. */
  async function ofQemu(t: Test): Promise<Tap> {
    const device = closedWith(t, await openTap({ ...shared, vnetHeader: true }));
    setVnetHeaderSize(device, 12);
    return device;
  }

  t.test('a header of another size: stays, whoever opens', async (t) => {
    const first = await ofQemu(t);
    const message = /vnet header of 12 bytes.*10/;
    for (const options of [{ vnetHeader: true }, { segment: true }]) {
      await t.rejects(openTap({ ...shared, ...options }), { ...differs, message });
    }
    await t.rejects(first.openQueue(), { ...differs, message });
    t.equal(vnetHeaderSize(first), 12);
    t.equal(await queuesOf(), 1);
  });

  t.test('a header of another size: attachQueue()', async (t) => {
    const first = closedWith(t, await openTap({ ...shared, vnetHeader: true }));
    const second = closedWith(t, await first.openQueue());
    await second.detachQueue();
    setVnetHeaderSize(first, 12);
    await t.rejects(second.attachQueue(), { ...differs, message: /vnet header of 12 bytes.*10/ });
    t.ok(second.flags.detached, 'still is');
    setVnetHeaderSize(first, 10);
    await second.attachQueue();
  });

  t.test('the send buffer of the first queue stays unless the second names one', async (t) => {
    const first = closedWith(t, await openTap({ ...shared, sendBufferBytes: 70_000 }));
    const second = closedWith(t, await openTap(shared));
    t.equal(sendBufferBytes(first), 70_000);
    t.ok(await second.isAlive());
  });

  t.test('adoptFd finds the offloads that the device has', async (t) => {
    for (const options of [
      { vnetHeader: true, offload: ['csum', 'tso4'] },
      { segment: true },
      {},
    ] as TapOptions[]) {
      const device = await openTap({ ...shared, ...options });
      const { offload } = device.features;
      const adopted = await adoptFd(device.handOff(), { netns, segment: options.segment });
      t.strictSame(adopted.features.offload, offload);
      await adopted.close();
      await device.close();
    }
  });

  t.test('frames still arrive as they were asked for', async (t) => {
    const port = { netns, bridge: 'br0' };
    const first = closedWith(t, await openTap({ ...port, name: 'shared', multiQueue: true }));
    const sender = closedWith(t, await openTap(port));
    await t.rejects(openTap({ ...port, name: 'shared', multiQueue: true, vnetHeader: true }), differs);
    await send(sender, testFrame({ to: 'ff:ff:ff:ff:ff:ff', from: '02:00:00:00:00:01', text: 'whole' }));
    await textsUntil(first, 'whole');
  });
});
