/** A wire between two devices, as bad as a test wants it. */
import { checkInteger, checkObject, checkOptionNames, refuseSurplus } from '../base/checks.js';
import { invalidArgument } from '../base/errors.js';
import type { FrameStream } from '../frames/stream.js';
import { checkDevice } from './expect/expect-frame.js';
import {
  WireDirection,
  type WireDrop,
  type WirePlan,
  type WireStats,
  type WireWay,
} from './wire-direction.js';

/** Options of {@link wire}. */
export interface WireOptions {
  /** How much is lost: a share from 0 to 1, or a function that says so for each frame. Default 0. */
  drop?: number | WireDrop | undefined;
  /** How long each frame takes, in milliseconds. Default 0. */
  delayMs?: number | undefined;
  /** The share of frames, from 0 to 1, that are overtaken by the next one (or by nothing, if none comes within 20 ms). Default 0. */
  reorder?: number | undefined;
  /** With the same seed the same frames are lost and overtaken, by their place. An integer from 0. Default 1. */
  seed?: number | undefined;
}

/** A wire between two devices. Made by {@link wire}. */
export class DeviceWire implements AsyncDisposable {
  /**
   * Resolves when both ways have ended: by {@link close}, or because one of the devices did. Rejects with what `drop` throws,
   * which ends the wire, too.
   */
  readonly ended: Promise<void>;
  readonly #ways: readonly [WireDirection, WireDirection];

  /** @internal */
  constructor(ways: readonly [WireDirection, WireDirection]) {
    this.#ways = ways;
    const stop = () => {
      for (const way of ways) way.stop();
    };
    this.ended = allOf(ways.map((way) => way.run().finally(stop)));
  }

  /** What happened so far, each way. */
  get stats(): Readonly<Record<WireWay, Readonly<WireStats>>> {
    const [there, back] = this.#ways;
    return { 'a-to-b': { ...there.stats }, 'b-to-a': { ...back.stats } };
  }

  /** Cuts the wire: what is under way is lost. Both devices stay open. */
  async close(): Promise<void> {
    for (const way of this.#ways) way.stop();
    // Whatever `drop` threw is told by `ended`.
    await this.ended.catch(() => undefined);
  }

  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Waits for all of them, and rejects with the first failure. */
async function allOf(runs: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(runs);
  await Promise.all(runs);
}

const MAX_DELAY_MS = 600_000;
const MAX_SEED = 0xffff_ffff;

/**
 * Joins two devices: what is read from one is written to the other, both ways, with losses, delay and frames out of order
 * as a test wants them. The choices are those of a seed, so that a test that fails fails again.
 *
 * @example
 * ```ts
 * import { createTestNetwork, wire } from 'tapfd/testing';
 *
 * await using net = await createTestNetwork();
 * const [a, b] = [await net.host('a'), await net.host('b')];
 * const tapOfA = await a.tap({ addresses: ['10.0.0.1/24'] });
 * const tapOfB = await b.tap({ addresses: ['10.0.0.2/24'] });
 * await using line = wire(tapOfA, tapOfB, { drop: 0.1, delayMs: 5, reorder: 0.05, seed: 42 });
 * await a.exec('ping', ['-c', '10', '10.0.0.2']);
 * console.log(line.stats);
 * ```
 *
 * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ERR_TAPFD_INVALID_STATE`: one of them is being read already;
 * `ERR_TAPFD_CLOSED`, `ERR_TAPFD_HANDED_OFF`.
 */
export function wire(a: FrameStream, b: FrameStream, options: WireOptions = {}): DeviceWire {
  refuseSurplus('wire', arguments, 3);
  const [one, other] = [checkDevice(a), checkDevice(b)];
  if (one === other) throw invalidArgument('b', 'another device than a', b);
  const plan = checkWireOptions(options);
  for (const device of [one, other]) device.receiverFor('wire');
  return new DeviceWire([
    new WireDirection(one, other, 'a-to-b', plan),
    new WireDirection(other, one, 'b-to-a', { ...plan, seed: plan.seed ^ 0x5bd1_e995 }),
  ]);
}

function checkWireOptions(options: WireOptions): WirePlan {
  checkOptionNames('wire', checkObject('options', options), ['drop', 'delayMs', 'reorder', 'seed']);
  const { drop = 0, delayMs = 0, reorder = 0, seed = 1 } = options;
  return {
    drop: typeof drop === 'function' ? drop : checkShare('drop', drop),
    delayMs: checkInteger('delayMs', delayMs, 0, MAX_DELAY_MS),
    reorder: checkShare('reorder', reorder),
    seed: checkInteger('seed', seed, 0, MAX_SEED),
  };
}

function checkShare(argument: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  throw invalidArgument(argument, 'a share from 0 to 1', value);
}
