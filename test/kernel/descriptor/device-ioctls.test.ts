/** The calls on an open device, each with its effect as the kernel shows it, on a closed device, and with bad input. */
import t from 'tap';
import { type FrameStream, type Macvtap, openMacvtap, openTap, openTun, type Tap, type Tun } from 'tapfd';
import { closeFd } from '#lib/fd-socket/fd-source.js';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { send, takenAtOnce, testFrame, textsUntil } from '../../kit/frames.js';
import { linkEvent } from '../../kit/link-changes.js';
import { bridgeAndWire } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const MAC_A = '02:00:00:00:00:0a';
const MAC_B = '02:00:00:00:00:0b';
const MAC_C = '02:00:00:00:00:0c';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const GROUP_1 = '01:00:5e:00:00:01';
const GROUP_2 = '33:33:00:00:00:02';

/** Calls a method by name, as a JavaScript caller who ignores the types can. */
function call(device: FrameStream, method: string, ...args: unknown[]): Promise<unknown> {
  return Reflect.apply(Reflect.get(device, method), device, args);
}

t.test(
  'calls on a device',
  { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'veth', 'ip') },
  async (t) => {
    const network = await bridgeAndWire(t);
    const netns = network.name;
    const FIXED_LINKS = await network.linkNames();

    for (const open of [openTap, openTun]) {
      const kind = open === openTap ? 'tap' : 'tun';

      t.test(`${kind}: setPersist()`, async (t) => {
        const device: Tap | Tun = await open({ netns, name: 'lasting' });
        await device.setPersist(true);
        t.equal(device.flags.persist, true);
        t.equal((await network.info('lasting')).persist, true);
        await device[Symbol.asyncDispose]();
        const again: Tap | Tun = await open({ netns, name: 'lasting' });
        t.equal(again.index, device.index);
        await again.setPersist(false);
        t.equal(again.flags.persist, false);
        t.equal((await network.info('lasting')).persist, false);
        await again[Symbol.asyncDispose]();
        t.strictSame(await network.linkNames(), FIXED_LINKS);
      });

      t.test(`${kind}: setOwner() and setGroup()`, async (t) => {
        const device: Tap | Tun = closedWith(t, await open({ netns, name: 'owned' }));
        t.equal(await network.sysfs('owned', 'owner'), '-1');
        await device.setOwner(1234);
        await device.setGroup(0xffff_fffe);
        t.equal(await network.sysfs('owned', 'owner'), '1234');
        t.equal(await network.sysfs('owned', 'group'), '4294967294');
        await device.setOwner(0);
        t.equal(await network.sysfs('owned', 'owner'), '0');
      });

      t.test(`${kind}: setCarrier() plugs the cable out and in`, async (t) => {
        const device: Tap | Tun = closedWith(t, await open({ netns, name: 'cable' }));
        for (const carrier of [false, true]) {
          const told = linkEvent(device, 'carrier');
          await device.setCarrier(carrier);
          t.equal(await network.sysfs('cable', 'carrier'), carrier ? '1' : '0');
          t.equal((await told).carrier, carrier);
        }
      });

      t.test(`${kind}: setSendBuffer()`, async (t) => {
        const device: Tap | Tun = closedWith(t, await open({ netns }));
        await device.setSendBuffer(1);
        await device.setSendBuffer(0x7fff_ffff);
      });
    }

    t.test('tap: setMac()', async (t) => {
      const device = closedWith(t, await openTap({ netns, name: 'lan' }));
      const told = linkEvent(device, 'mac');
      await device.setMac('02-00-00-00-00-0A');
      t.equal(device.mac, MAC_A);
      t.equal((await network.existingLink('lan')).address, MAC_A);
      t.match(await told, { mac: MAC_A, name: 'lan' });
    });

    t.test('macvtap: setMac(), and a MAC that another has', async (t) => {
      const device = closedWith(t, await openMacvtap({ netns, lower: 'wire', mac: MAC_A }));
      const sibling = closedWith(t, await openMacvtap({ netns, lower: 'wire', mac: MAC_B }));
      const { address } = await network.existingLink('wire');
      for (const taken of [MAC_B, address]) {
        await t.rejects(device.setMac(taken), {
          code: 'EADDRINUSE',
          errno: -98,
          syscall: 'ioctl SIOCSIFHWADDR',
          interface: device.name,
          message: /has this MAC/,
        });
        t.equal(device.mac, MAC_A);
      }
      await device.setMac(MAC_C);
      t.equal((await network.existingLink(device.name)).address, MAC_C);
      await send(sibling, testFrame({ to: MAC_C, from: MAC_B, text: 'to the new MAC' }));
      t.equal((await textsUntil(device, 'to the new MAC')).at(-1), 'to the new MAC');
    });

    t.test('macvtap: setSendBuffer()', async (t) => {
      const sender = closedWith(t, await openMacvtap({ netns, lower: 'wire', guestMac: MAC_A }));
      const reader = closedWith(t, await openMacvtap({ netns, lower: 'wire', guestMac: MAC_B }));
      const frame = testFrame({ to: MAC_B, from: MAC_A, text: 'one of many', length: 1400 });
      await sender.setSendBuffer(20_000);
      t.ok((await takenAtOnce(sender, frame, 100)) < 20);
      reader.resume();
      await new Promise((resolve) => sender.once('drain', resolve));
      await sender.setSendBuffer(0x7fff_ffff);
      reader.pause();
      t.equal(await takenAtOnce(sender, frame, 100), 100);
    });

    t.test('setTxFilter(): which destinations reach the reader', async (t) => {
      const sender = closedWith(t, await openTap({ netns, bridge: 'br0' }));
      const reader: Tap = closedWith(t, await openTap({ netns, bridge: 'br0', multiQueue: true }));
      /** Sends one frame to each, without the filter a last one, and returns what came through. */
      const passing = async () => {
        for (const to of [MAC_A, MAC_B, BROADCAST, GROUP_1, GROUP_2]) {
          await send(sender, testFrame({ to, from: MAC_C, text: to }));
        }
        await reader.setTxFilter(null);
        await send(sender, testFrame({ to: BROADCAST, from: MAC_C, text: 'end' }));
        return (await textsUntil(reader, 'end')).slice(0, -1);
      };
      const ALL = [MAC_A, MAC_B, BROADCAST, GROUP_1, GROUP_2];
      t.strictSame(await passing(), ALL, 'without a filter');
      await reader.setTxFilter({ addresses: [MAC_A] });
      t.strictSame(await passing(), [MAC_A]);
      await reader.setTxFilter({ addresses: [MAC_A.toUpperCase(), BROADCAST, GROUP_2] });
      t.strictSame(await passing(), [MAC_A, BROADCAST, GROUP_2]);
      await reader.setTxFilter({ addresses: [MAC_B], allMulticast: true });
      t.strictSame(await passing(), [MAC_B, BROADCAST, GROUP_1, GROUP_2]);
      await reader.setTxFilter({ addresses: [] });
      t.strictSame(await passing(), ALL);
      await reader.setTxFilter({ addresses: [MAC_A] });
      await reader.setTxFilter(null);
      t.strictSame(await passing(), ALL);

      // In the kernel's own order, a unicast MAC behind eight others would switch the filter off.
      const groups = Array.from({ length: 20 }, (_, i) => `01:00:5e:7f:00:${(i + 16).toString(16)}`);
      await reader.setTxFilter({ addresses: [...groups, MAC_A] });
      const passed = await passing();
      t.ok(passed.includes(MAC_A));
      t.notOk(passed.includes(MAC_B), 'the filter is on');
      const eight = Array.from({ length: 8 }, (_, i) => `02:00:00:00:01:0${i}`);
      await reader.setTxFilter({ addresses: eight });
      t.notOk((await passing()).includes(MAC_A));
      await reader.setTxFilter({ addresses: eight });
      await t.rejects(reader.setTxFilter({ addresses: [...eight, MAC_A] }), {
        code: 'ERR_TAPFD_INVALID_ARGUMENT',
        argument: 'filter.addresses',
        message: /8 unicast/,
      });
      t.notOk((await passing()).includes(MAC_A), 'the filter before stays');
    });

    const NOT_BOOLEAN = [undefined, null, 1, 'true', {}];
    const NOT_ID = [undefined, null, -1, 0.5, 2 ** 32 - 1, Number.NaN, '0', true];
    const NOT_MAC = [
      undefined,
      null,
      2,
      '',
      '02:00:00:00:00',
      '02:00:00:00:00:0a:0b',
      '02:00:00:00:00:0g',
      '2:0:0:0:0:a',
      '02:00-00:00:00:0a',
      `${MAC_A}\0`,
      ` ${MAC_A}`,
    ];
    const NOT_UNICAST = [...NOT_MAC, BROADCAST, GROUP_1, '00:00:00:00:00:00'];
    const NOT_PROGRAM = [
      undefined,
      true,
      'program',
      -1,
      0.5,
      2 ** 31,
      new Uint8Array(0),
      new Uint8Array(7),
      new Uint8Array(9),
      new Uint8Array(8 * 1_000_001),
      [0x95, 0, 0, 0, 0, 0, 0, 0],
      new Uint16Array(4),
    ];
    const NOT_BYTES = [undefined, null, 0, -1, 1.5, 2 ** 31, '1', Number.NaN];
    const NOT_OFFLOAD = [
      undefined,
      null,
      'csum',
      ['tso4'],
      ['checksum'],
      ['csum', 'uso4'],
      ['csum', 'tso-ecn'],
      [['csum']],
    ];
    const NOT_FILTER = [
      undefined,
      5,
      'off',
      [],
      {},
      { addresses: MAC_A },
      { addresses: [null] },
      { addresses: ['02:00'] },
      { addresses: [], allMulticast: 1 },
      { addresses: Array(65_536).fill(GROUP_1) },
    ];

    /** Each method: valid arguments, the devices that have it, and arguments that must not reach the kernel. */
    const METHODS: Record<string, { good?: unknown[]; bad?: unknown[]; kinds: string[] }> = {
      setPersist: { good: [false], bad: NOT_BOOLEAN, kinds: ['tap', 'tun'] },
      setOwner: { good: [0], bad: NOT_ID, kinds: ['tap', 'tun'] },
      setGroup: { good: [0], bad: NOT_ID, kinds: ['tap', 'tun'] },
      setCarrier: { good: [true], bad: NOT_BOOLEAN, kinds: ['tap', 'tun'] },
      setSteeringProgram: { good: [null], bad: NOT_PROGRAM, kinds: ['tap', 'tun'] },
      setFilterProgram: { good: [null], bad: NOT_PROGRAM, kinds: ['tap', 'tun'] },
      setTxFilter: { good: [null], bad: NOT_FILTER, kinds: ['tap'] },
      setMac: { good: [MAC_A], bad: NOT_UNICAST, kinds: ['tap', 'macvtap'] },
      setOffload: { good: [[]], bad: NOT_OFFLOAD, kinds: ['tap', 'tun', 'macvtap'] },
      setSendBuffer: { good: [65536], bad: NOT_BYTES, kinds: ['tap', 'tun', 'macvtap'] },
      detachQueue: { kinds: ['tap', 'tun', 'macvtap'] },
      attachQueue: { kinds: ['tap', 'tun', 'macvtap'] },
      openQueue: { kinds: ['tap', 'tun', 'macvtap'] },
      refreshStats: { kinds: ['tap', 'tun', 'macvtap'] },
      isAlive: { kinds: ['tap', 'tun', 'macvtap'] },
      diagnose: { kinds: ['tap', 'tun', 'macvtap'] },
    };

    const OPEN: Record<string, () => Promise<Tap | Tun | Macvtap>> = {
      tap: () => openTap({ netns, vnetHeader: true }),
      tun: () => openTun({ netns, vnetHeader: true }),
      macvtap: () => openMacvtap({ netns, lower: 'wire', vnetHeader: true }),
    };

    for (const [kind, open] of Object.entries(OPEN)) {
      const methods = Object.entries(METHODS).filter(([, { kinds }]) => kinds.includes(kind));

      t.test(`${kind}: bad input is refused before any call, and the device keeps working`, async (t) => {
        const device = await open();
        // A closed device has no descriptor: an error about the argument proves that the descriptor was not asked for.
        const closed = await open();
        await closed[Symbol.asyncDispose]();
        for (const [method, { bad = [], good }] of methods) {
          for (const value of bad) {
            const refused = { code: 'ERR_TAPFD_INVALID_ARGUMENT', message: /received/ };
            await t.rejects(call(device, method, value), refused, `${method}(${String(value).slice(0, 40)})`);
            await t.rejects(call(closed, method, value), refused);
          }
          if (good) await t.resolves(call(device, method, ...good), `${method} works`);
        }
        t.notOk(device.destroyed);
        await device[Symbol.asyncDispose]();
      });

      t.test(`${kind}: after destroy() and handOff() each call says so`, async (t) => {
        const closed = await open();
        closed.destroy();
        const given = closedWith(t, await open());
        const fd = given.handOff();
        for (const [method, { good = [] }] of methods) {
          await t.rejects(
            call(closed, method, ...good),
            { code: 'ERR_TAPFD_CLOSED', interface: closed.name },
            method,
          );
          await t.rejects(call(given, method, ...good), {
            code: 'ERR_TAPFD_HANDED_OFF',
            interface: given.name,
          });
        }
        await closeFd(fd);
      });
    }

    t.test('handOff() is refused while a call is under way', async (t) => {
      const device = closedWith(t, await openTap({ netns }));
      const running = device.setPersist(false);
      t.throws(() => device.handOff(), { code: 'ERR_TAPFD_INVALID_STATE', message: /is pending/ });
      await running;
      await closeFd(device.handOff());
    });

    t.test('destroy() lets a call under way end on its own descriptor', async (t) => {
      const device = await openTap({ netns, name: 'busy' });
      const running = device.setOwner(77);
      device.destroy();
      await running;
      await new Promise((resolve) => device.once('close', resolve));
      t.strictSame(await network.linkNames(), FIXED_LINKS);
    });
  },
);
