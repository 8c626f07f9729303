/** Each bound of an option is the kernel's for that kind of link: the kernel takes the limits, and nothing beyond. */
import t from 'tap';
import { type FrameStream, links, type NewLink, openMacvtap, openTap, openTun } from 'tapfd';
import { needs } from '../../kit/capabilities.js';
import { ownNamespace } from '../../kit/namespace.js';

/** An option, its limits, and what is just beyond them. */
interface Bound {
  option: string;
  taken: readonly unknown[];
  refused: readonly unknown[];
  /** What `ip link set` calls it, if it can show that the kernel refuses what we refuse. */
  word?: string;
}

const MTU_WORD = { option: 'mtu', word: 'mtu' };
const IDS = { taken: [0, 0xffff_fffe], refused: [-1, 0xffff_ffff] };
const NAME = { option: 'name', taken: ['x', 'n'.repeat(15)], refused: ['', 'n'.repeat(16)] };
const SEND_BUFFER = { option: 'sendBufferBytes', taken: [1, 0x7fff_ffff], refused: [0, 0x8000_0000] };
const DEVICE = [NAME, SEND_BUFFER];
const TUN_TAP = [...DEVICE, { option: 'owner', ...IDS }, { option: 'group', ...IDS }];
const LINK: readonly Bound[] = [
  NAME,
  { ...MTU_WORD, taken: [68, 65535], refused: [67, 65536] },
  { option: 'alias', taken: ['', 'a'.repeat(255)], refused: ['a'.repeat(256)] },
  { option: 'txQueueLength', taken: [0, 0xffff_ffff], refused: [-1, 0x1_0000_0000] },
  { option: 'txQueues', taken: [1, 4096], refused: [0, 4097] },
  { option: 'rxQueues', taken: [1, 4096], refused: [0, 4097] },
];
const HUNDREDTHS = { taken: [0, 0xffff_ffff * 10], refused: [-10, 0x1_0000_0000 * 10] };

t.test(
  'bounds',
  { skip: needs('root', 'tun-device', 'macvtap', 'bridge', 'veth', 'vxlan', 'ip') },
  async (t) => {
    const network = await ownNamespace(t);
    const netns = network.name;
    await network.wire('wire', 'far');
    await network.ip('link', 'set', 'wire', 'mtu', '65535');

    type Opening = (options: object) => Promise<FrameStream>;
    const openings: Record<string, [Opening, readonly Bound[]]> = {
      openTap: [openTap, [...TUN_TAP, { ...MTU_WORD, taken: [68, 65521], refused: [67, 65522] }]],
      openTun: [openTun, [...TUN_TAP, { ...MTU_WORD, taken: [68, 65535], refused: [67, 65536] }]],
      openMacvtap: [
        (options) => openMacvtap({ lower: 'wire', ...options }),
        [...DEVICE, { ...MTU_WORD, taken: [68, 65535], refused: [67, 65536] }],
      ],
    };

    for (const [call, [open, bounds]] of Object.entries(openings)) {
      for (const { option, taken, refused, word } of bounds) {
        t.test(`${call}: ${option}`, async (t) => {
          for (const value of taken) {
            const device = await open({ netns, [option]: value });
            if (option === 'mtu') t.equal(device.mtu, value);
            for (const beyond of word === undefined ? [] : refused) {
              await t.rejects(network.ip('link', 'set', device.name, word ?? '', String(beyond)));
            }
            await device.close();
          }
          for (const value of refused) {
            await t.rejects(open({ netns, [option]: value }), {
              code: 'ERR_TAPFD_INVALID_ARGUMENT',
              argument: option,
            });
          }
        });
      }
    }

    const kinds: [NewLink, readonly Bound[]][] = [
      [
        { kind: 'bridge' },
        [...LINK, { option: 'ageingTimeMs', ...HUNDREDTHS }, { option: 'forwardDelayMs', ...HUNDREDTHS }],
      ],
      [{ kind: 'veth' }, LINK],
      [{ kind: 'macvlan', lower: 'wire' }, LINK],
      [{ kind: 'macvtap', lower: 'wire' }, LINK],
      [
        { kind: 'vxlan', id: 7 },
        [
          ...LINK,
          { option: 'id', taken: [0, 0xff_ffff], refused: [-1, 0x100_0000] },
          { option: 'port', taken: [1, 65535], refused: [0, 65536] },
        ],
      ],
    ];

    for (const [base, bounds] of kinds) {
      for (const { option, taken, refused, word } of bounds) {
        t.test(`links.create, ${base.kind}: ${option}`, async (t) => {
          for (const value of taken) {
            const link = await links.create({ ...base, netns, [option]: value });
            if (option in link) t.equal(Reflect.get(link, option), value);
            for (const beyond of word === undefined ? [] : refused) {
              await t.rejects(network.ip('link', 'set', link.name, word ?? '', String(beyond)));
            }
            await links.remove(link.index, { netns });
          }
          for (const value of refused) {
            await t.rejects(links.create({ ...base, netns, [option]: value }), {
              code: 'ERR_TAPFD_INVALID_ARGUMENT',
              argument: option,
            });
          }
        });
      }
    }
  },
);
