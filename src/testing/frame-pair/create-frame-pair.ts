/**
 * src/testing/frame-pair/: two devices joined in memory, on any system. On top of devices.
 *
 * Here: the pair and its options.
 */
import {
  checkBoolean,
  checkInteger,
  checkInterfaceName,
  checkObject,
  checkOneOf,
  checkOptionNames,
  isList,
  optional,
  refuseSurplus,
} from '../../base/checks.js';
import { invalidArgument, TapfdError } from '../../base/errors.js';
import type { DeviceKind } from '../../base/native-queue.js';
import type { OpenedDevice } from '../../descriptor/device-handle.js';
import type { MacCheck, StreamSettings } from '../../descriptor/settings.js';
import { Macvtap } from '../../devices/macvtap.js';
import { Tap } from '../../devices/tap.js';
import { Tun } from '../../devices/tun.js';
import type { FrameStream } from '../../frames/stream.js';
import { checkUnicastMac, formatMac } from '../../links/mac.js';
import { LinkWatch } from '../../links/watch.js';
import { MemoryLink, type MemoryLinkChanges, MemoryNamespace, newLink } from './memory-link.js';
import { MemoryQueue, type MemoryQueueSettings } from './memory-queue.js';

/** Options of {@link createFramePair}. */
export interface FramePairOptions<Kind extends DeviceKind = DeviceKind> {
  /** What both ends are. Default `'tap'`. */
  kind?: Kind | undefined;
  /** The names of `a` and `b`. Default: the kind with 0 and 1. */
  names?: readonly [string, string] | undefined;
  /** The MACs of `a` and `b`; not with TUN. Default `02:00:00:00:00:0a` and `02:00:00:00:00:0b`. */
  macs?: readonly [string, string] | undefined;
  /** Bytes of the longest packet: 68 to 65535. Default 1500. */
  mtu?: number | undefined;
  /** Frames that wait for the reader of an end. Default 1000. */
  queueFrames?: number | undefined;
  /** With that many waiting: the writer waits, so that nothing is lost, or the frame is dropped and counted. Default `'wait'`. */
  whenFull?: 'wait' | 'drop' | undefined;
  /** Frames begin with 4 bytes of packet information; not with macvtap. Default false. */
  packetInfo?: boolean | undefined;
  /** Frames begin with a vnet header of 10 bytes. Default false. */
  vnetHeader?: boolean | undefined;
  /** What a written frame of a macvtap with another source MAC gets. Default `'error'`. */
  macCheck?: MacCheck | undefined;
  /** As of the opening calls. Default 64. */
  readableHighWaterMark?: number | undefined;
  /** As of the opening calls. Default 64. */
  writableHighWaterMark?: number | undefined;
}

/** Changes of the link of one end. */
export interface FramePairLink {
  /** Its name. */
  name?: string | undefined;
  /** Its MAC. */
  mac?: string | undefined;
  /** Bytes of the longest packet. */
  mtu?: number | undefined;
  /** Up or down. */
  up?: boolean | undefined;
  /** Its carrier. */
  carrier?: boolean | undefined;
}

const OPTION_NAMES: Record<keyof FramePairOptions, true> = {
  kind: true,
  names: true,
  macs: true,
  mtu: true,
  queueFrames: true,
  whenFull: true,
  packetInfo: true,
  vnetHeader: true,
  macCheck: true,
  readableHighWaterMark: true,
  writableHighWaterMark: true,
};

const KINDS: readonly DeviceKind[] = ['tap', 'tun', 'macvtap'];
const MIN_MTU = 68;
const MAX_MTU = 65535;
const MAX_INT = 0x7fff_ffff;
const DEFAULT_HIGH_WATER_MARK = 64;
const VNET_HEADER_BYTES = 10;
/** `linux/if_tun.h`. */
const IFF_TUN = 0x0001;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;

/**
 * Two devices joined by a wire that exists in memory only: what is written to one is read from the other. Made by
 * {@link createFramePair}. `const [a, b] = await createFramePair()` takes them both.
 */
export class FramePair<Device extends FrameStream = FrameStream>
  implements AsyncDisposable, Iterable<Device>
{
  /** One end. */
  readonly a: Device;
  /** The other. */
  readonly b: Device;
  readonly #links: ReadonlyMap<FrameStream, MemoryLink>;

  /** @internal */
  constructor(ends: readonly [End<Device>, End<Device>]) {
    const [a, b] = ends;
    this.a = a.device;
    this.b = b.device;
    this.#links = new Map(ends.map(({ device, link }) => [device, link]));
  }

  /**
   * Changes the link of one end, as an administrator would: the device follows, and emits `'link'`.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
   */
  setLink(device: Device, changes: FramePairLink): void {
    const link = this.#linkOf(device);
    const given: Partial<Record<keyof FramePairLink, unknown>> = checkObject('changes', changes);
    checkOptionNames('setLink', given, ['name', 'mac', 'mtu', 'up', 'carrier']);
    const { name, mac, mtu, up, carrier } = given;
    const checked: MemoryLinkChanges = {};
    if (name !== undefined) checked.name = checkInterfaceName('name', name);
    if (mac !== undefined) checked.mac = formatMac(checkUnicastMac('mac', mac));
    if (mtu !== undefined) checked.mtu = checkInteger('mtu', mtu, MIN_MTU, MAX_MTU);
    if (up !== undefined) checked.up = checkBoolean('up', up);
    if (carrier !== undefined) checked.carrier = checkBoolean('carrier', carrier);
    link.change(checked);
  }

  /**
   * Deletes the interface of one end under its device, which then ends with `ERR_TAPFD_DEVICE_GONE`.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
   */
  remove(device: Device): void {
    this.#linkOf(device).remove();
  }

  /** `a` and `b`. */
  *[Symbol.iterator](): Iterator<Device> {
    yield this.a;
    yield this.b;
  }

  /** Closes both. */
  async close(): Promise<void> {
    await Promise.all([this.a.close(), this.b.close()]);
  }

  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #linkOf(device: unknown): MemoryLink {
    const link = [...this.#links].find(([end]) => end === device)?.[1];
    if (link === undefined) throw invalidArgument('device', 'a or b of this pair', device);
    return link;
  }
}

interface End<Device> {
  device: Device;
  link: MemoryLink;
}

/**
 * Creates two devices that are joined in memory, for unit tests of code that takes a device. They are a `Tap`, `Tun` or
 * `Macvtap` in everything but the descriptor: streams and batches, `forward()`, counters, events, refused frames,
 * backpressure, and the end. They need no kernel, no addon and no privilege, and work on every system.
 *
 * What needs a descriptor fails: `fd` is -1, `handOff()` is refused (`ERR_TAPFD_INVALID_STATE`), and so are further queues
 * and programs for the kernel. Offloads are not granted.
 *
 * @example
 * ```ts
 * import { once } from 'node:events';
 * import { createFramePair } from 'tapfd/testing';
 *
 * const [near, far] = await createFramePair();
 * near.write(Buffer.alloc(60));
 * const [received] = await once(far, 'data');
 * ```
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`.
 */
export function createFramePair(options?: FramePairOptions<'tap'>): Promise<FramePair<Tap>>;
/** As the other, with TUN devices: one chunk is one IP packet. */
export function createFramePair(options: FramePairOptions<'tun'>): Promise<FramePair<Tun>>;
/** As the other, with macvtap devices. */
export function createFramePair(options: FramePairOptions<'macvtap'>): Promise<FramePair<Macvtap>>;
export async function createFramePair(
  options: FramePairOptions = {},
): Promise<FramePair<Tap> | FramePair<Tun> | FramePair<Macvtap>> {
  refuseSurplus('createFramePair', arguments, 1);
  const plan = checkOptions(options);
  switch (plan.kind) {
    case 'tun':
      return pairOf(plan, (opened) => Tun.wrap(opened));
    case 'macvtap':
      return pairOf(plan, (opened) => Macvtap.wrap(opened));
    default:
      return pairOf(plan, (opened) => Tap.wrap(opened));
  }
}

async function pairOf<Device extends FrameStream>(
  plan: PairPlan,
  wrap: (opened: OpenedDevice) => Device,
): Promise<FramePair<Device>> {
  const namespace = new MemoryNamespace();
  const [a, b] = [0, 1].map((place) => {
    const link = linkOf(namespace, plan, place);
    return { link, queue: new MemoryQueue(plan.queue, link) };
  });
  a.queue.join(b.queue);
  b.queue.join(a.queue);
  const end = async ({ link, queue }: typeof a): Promise<End<Device>> => ({
    link,
    device: wrap(await openedOn(plan, namespace, queue, link)),
  });
  return new FramePair([await end(a), await end(b)]);
}

interface PairPlan {
  kind: DeviceKind;
  names: readonly string[];
  macs: readonly string[];
  mtu: number;
  vnetHeader: boolean;
  queue: MemoryQueueSettings;
  stream: StreamSettings;
}

function checkOptions(options: unknown): PairPlan {
  const given: Partial<Record<keyof FramePairOptions, unknown>> = checkObject('options', options);
  checkOptionNames('createFramePair', given, Object.keys(OPTION_NAMES));
  const kind = checkOneOf('kind', given.kind ?? 'tap', KINDS);
  const mark = (name: 'readableHighWaterMark' | 'writableHighWaterMark') =>
    checkInteger(name, given[name] ?? DEFAULT_HIGH_WATER_MARK, 1, MAX_INT);
  const switchOf = (name: 'packetInfo' | 'vnetHeader', isFor: boolean) => {
    const on = optional(given[name], (value) => checkBoolean(name, value)) ?? false;
    if (on && !isFor) throw invalidArgument(name, 'left out or false with a macvtap', on);
    return on;
  };
  if (kind === 'tun' && given.macs !== undefined) {
    throw invalidArgument('macs', 'left out: a TUN has none', given.macs);
  }
  const packetInfo = switchOf('packetInfo', kind !== 'macvtap');
  const vnetHeader = switchOf('vnetHeader', true);
  const flags =
    (kind === 'tun' ? IFF_TUN : IFF_TAP) | (packetInfo ? 0 : IFF_NO_PI) | (vnetHeader ? IFF_VNET_HDR : 0);
  return {
    kind,
    names: twoOf('names', given.names ?? [`${kind}0`, `${kind}1`], checkInterfaceName),
    macs: twoOf('macs', given.macs ?? ['02:00:00:00:00:0a', '02:00:00:00:00:0b'], (argument, value) =>
      formatMac(checkUnicastMac(argument, value)),
    ),
    mtu: checkInteger('mtu', given.mtu ?? 1500, MIN_MTU, MAX_MTU),
    vnetHeader,
    queue: {
      kind,
      flags,
      queueFrames: checkInteger('queueFrames', given.queueFrames ?? 1000, 1, MAX_INT),
      whenFull: checkOneOf('whenFull', given.whenFull ?? 'wait', ['wait', 'drop']),
    },
    stream: {
      readableHighWaterMark: mark('readableHighWaterMark'),
      writableHighWaterMark: mark('writableHighWaterMark'),
      copyFrames: false,
      segment: false,
      macCheck: checkOneOf<MacCheck>('macCheck', given.macCheck ?? 'error', ['error', 'drop', 'off']),
      guestMac: undefined,
      sendBufferBytes: MAX_INT,
    },
  };
}

function twoOf(
  argument: string,
  value: unknown,
  check: (argument: string, value: unknown) => string,
): readonly string[] {
  if (!isList(value) || value.length !== 2 || value[0] === value[1]) {
    throw invalidArgument(argument, 'an array of two different values', value);
  }
  return value.map((one, place) => check(`${argument}[${place}]`, one));
}

function linkOf(namespace: MemoryNamespace, { kind, names, macs, mtu }: PairPlan, place: number): MemoryLink {
  const facts = { index: place + 1, name: names[place], kind: kind === 'tap' ? 'tun' : kind, mtu };
  return new MemoryLink(namespace, newLink(kind === 'tun' ? facts : { ...facts, mac: macs[place] }));
}

async function openedOn(
  plan: PairPlan,
  namespace: MemoryNamespace,
  queue: MemoryQueue,
  link: MemoryLink,
): Promise<OpenedDevice> {
  return {
    opened: {
      kind: plan.kind,
      flags: plan.queue.flags,
      features: IFF_TUN | IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
      offload: 0,
      vnetHeaderBytes: plan.vnetHeader ? VNET_HEADER_BYTES : 0,
      link: link.now,
      queue,
    },
    watch: await LinkWatch.acquire(namespace.handle, { port: namespace }),
    settings: plan.stream,
    openFurther: async (_watch, name) => {
      const message = `openQueue: ${name} exists in memory only, with one queue`;
      throw new TapfdError('ENOTSUP', message, { interface: name, recoverable: true });
    },
  };
}
