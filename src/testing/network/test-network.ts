/**
 * src/testing/network/: private networks for tests: namespaces with devices, links and programs. On top of the entry
 * tapfd and of expect.
 *
 * Here: the network, its hosts and the wires between them.
 */
import { onAbort } from '../../base/abort.js';
import { checkObject, isSystemText, refuseSurplus } from '../../base/checks.js';
import { invalidArgument, TapfdError } from '../../base/errors.js';
import { inTurn } from '../../base/in-turn.js';
import { createNetns } from '../../links/create-netns.js';
import type { Link } from '../../links/link.js';
import type { Netns } from '../../links/netns.js';
import { TestHost, throwFirst } from './host.js';
import { linksOf } from './host-links.js';
import { checkTestNetworkOptions, checkWireLink, type Rootless, type TestNetworkOptions } from './options.js';
import { makeQuiet } from './quiet.js';
import { Recorder } from './recorder.js';
import { layWire, type WireEnd, type WirePlan } from './wires.js';

/** A host on a wire, and its link there. */
export type WireEndOptions = TestHost | WireEnd;

/**
 * A private network, made by {@link createTestNetwork}: a namespace without a name, with `lo` up and nothing else. It is a
 * host itself; {@link host} makes more of them, and {@link wire} joins them.
 */
export class TestNetwork extends TestHost implements AsyncDisposable {
  /** Whether it works without privilege, in a user namespace. */
  readonly rootless: boolean;
  readonly #quiet: boolean;
  readonly #devicePath: string | undefined;
  readonly #recorder: Recorder | undefined;
  readonly #hosts = new Map<string, Promise<TestHost>>();
  /** Those that exist, itself included. */
  readonly #own = new WeakSet<TestHost>([this]);
  readonly #forgetSignal: () => void;
  #wires = 0;
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(netns: Netns, plan: NetworkPlan) {
    super({ name: '', netns, devicePath: plan.devicePath, recorder: plan.recorder });
    this.rootless = plan.rootless;
    this.#quiet = plan.quiet;
    this.#devicePath = plan.devicePath;
    this.#recorder = plan.recorder;
    // A failure is reported by the caller's own close().
    this.#forgetSignal = onAbort(plan.signal, () => void this.#abort().catch(() => undefined));
  }

  /**
   * A further host, with a namespace of its own; the same one each time for a name.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ERR_TAPFD_CLOSED` after `close()`; as {@link createTestNetwork}.
   */
  async host(name: string): Promise<TestHost> {
    this.assertOpen('host');
    if (!isSystemText(name) || name === '') throw invalidArgument('name', 'the name of a host', name);
    const known = this.#hosts.get(name);
    if (known !== undefined) return known;
    const made = this.#makeHost(name);
    this.#hosts.set(name, made);
    made.catch(() => this.#hosts.delete(name));
    return made;
  }

  /**
   * Joins two hosts by a wire (a veth pair), or more by a wire with a bridge in the network's own namespace. Each host gets
   * a link, which is up: `eth0`, or what its options say.
   *
   * @example
   * ```ts
   * import { createTestNetwork } from 'tapfd/testing';
   *
   * await using net = await createTestNetwork();
   * const [a, b] = [await net.host('a'), await net.host('b')];
   * await net.wire({ host: a, addresses: ['10.0.0.1/24'] }, { host: b, addresses: ['10.0.0.2/24'] });
   * await a.exec('ping', ['-c', '1', '10.0.0.2']);
   * ```
   *
   * @returns The links, in the order of the hosts.
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ERR_TAPFD_CLOSED` after `close()`; as `links.create()`.
   */
  async wire(...ends: WireEndOptions[]): Promise<Link[]> {
    this.assertOpen('wire');
    if (ends.length < 2) throw invalidArgument('ends', 'at least two hosts', ends);
    const plan = ends.map((end, place) => this.#checkEnd(`ends[${place}]`, end));
    this.#wires += 1;
    const name = `wire${this.#wires - 1}`;
    // The kernel chooses names and indexes: one wire at a time, to know them.
    return inTurn(this, () => layWire(this, plan, name));
  }

  /**
   * The test has failed: saves the traffic of the devices, if the option `onFailure` says where. Call it where the runner
   * tells of a failure: `onTestFailed(() => net.fail())` in Vitest.
   *
   * @returns The file, or undefined without `onFailure`.
   * @throws The error of the file system.
   */
  async fail(): Promise<string | undefined> {
    return this.#recorder?.save();
  }

  /**
   * Closes the network: programs are killed, devices closed, namespaces and links gone. It may be called again.
   *
   * @throws The first failure, when everything was tried.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #abort(): Promise<void> {
    try {
      await this.fail();
    } finally {
      await this.close();
    }
  }

  async #close(): Promise<void> {
    this.#forgetSignal();
    const begun = this.end();
    const hosts = await Promise.allSettled(this.#hosts.values());
    const ends = hosts.map((host) => (host.status === 'fulfilled' ? host.value.end() : undefined));
    throwFirst(await Promise.allSettled([begun, ...ends]));
  }

  async #makeHost(name: string): Promise<TestHost> {
    const netns = await createNetns({ userNamespace: this.rootless ? this.netns : false });
    await setUp(netns, this.#quiet);
    const host = new TestHost({ name, netns, devicePath: this.#devicePath, recorder: this.#recorder });
    if (this.#closed !== undefined) {
      await host.end();
      this.assertOpen('host');
    }
    this.#own.add(host);
    return host;
  }

  #checkEnd(place: string, end: unknown): WirePlan {
    const given: Partial<WireEnd> = end instanceof TestHost ? { host: end } : checkObject(place, end);
    const { host } = given;
    if (!(host instanceof TestHost && this.#own.has(host)))
      throw invalidArgument(`${place}.host`, 'a host of this network', host);
    return { host, link: checkWireLink(place, given) };
  }
}

interface NetworkPlan {
  rootless: boolean;
  quiet: boolean;
  devicePath: string | undefined;
  recorder: Recorder | undefined;
  signal: AbortSignal | undefined;
}

/**
 * Creates a private network for a test. Nothing outside sees it, and nothing of it remains: it has no name, so it is gone
 * when it is closed, and when the process ends, however that happens. Networks of tests that run side by side never meet.
 *
 * Needs CAP_SYS_ADMIN and CAP_NET_ADMIN, or with `rootless` nothing but the permission to make user namespaces and to open
 * `/dev/net/tun`.
 *
 * @example
 * ```ts
 * import { createTestNetwork } from 'tapfd/testing';
 *
 * await using net = await createTestNetwork({ rootless: 'auto' });
 * await net.bridge('br0');
 * const tap = await net.tap({ bridge: 'br0' });
 * ```
 *
 * @throws TapfdError
 * - `ERR_TAPFD_INVALID_ARGUMENT`, before any system call.
 * - `EPERM` (`unshare`): no privilege, and no user namespaces either.
 * - `ENOSPC`: the limit on namespaces (`user.max_net_namespaces`, `user.max_user_namespaces`).
 * - `EACCES`, `EROFS` (`open`): `/proc/sys` cannot be written; `quiet: false` works without.
 * @throws The reason of `signal`.
 */
export async function createTestNetwork(options: TestNetworkOptions = {}): Promise<TestNetwork> {
  refuseSurplus('createTestNetwork', arguments, 1);
  const { signal, quiet, rootless, devicePath, onFailure } = checkTestNetworkOptions(options);
  signal?.throwIfAborted();
  const made = await firstNamespace(rootless);
  try {
    await setUp(made.netns, quiet);
    signal?.throwIfAborted();
    const recorder = onFailure === undefined ? undefined : new Recorder(onFailure);
    return new TestNetwork(made.netns, { rootless: made.rootless, quiet, devicePath, recorder, signal });
  } catch (error) {
    await made.netns.close();
    throw error;
  }
}

async function firstNamespace(rootless: Rootless): Promise<{ netns: Netns; rootless: boolean }> {
  if (rootless !== 'auto') return { netns: await createNetns({ userNamespace: rootless }), rootless };
  try {
    return { netns: await createNetns(), rootless: false };
    /* c8 ignore next 4 -- rootless.test.ts runs it as another user, who may not write what was covered */
  } catch (error) {
    if (!(error instanceof TapfdError && error.code === 'EPERM')) throw error;
    return { netns: await createNetns({ userNamespace: true }), rootless: true };
  }
}

async function setUp(netns: Netns, quiet: boolean): Promise<void> {
  try {
    if (quiet) await makeQuiet(netns);
    await linksOf(netns).set('lo', { up: true });
  } catch (error) {
    await netns.close();
    throw error;
  }
}

/**
 * Creates a network, calls a function with it, and closes it, whatever becomes of the function. Where it throws, the traffic
 * is saved as `onFailure` says.
 *
 * @example
 * ```ts
 * import { test } from 'node:test';
 * import { expectFrame, withTestNetwork } from 'tapfd/testing';
 *
 * test('asks who has the address', (t) =>
 *   withTestNetwork({ signal: t.signal, onFailure: 'failed/arp.pcapng' }, async (net) => {
 *     const tap = await net.tap({ addresses: ['10.0.0.1/24'] });
 *     net.spawn('ping', ['-c', '1', '10.0.0.2']);
 *     await expectFrame(tap, { arp: { operation: 'request' } });
 *   }));
 * ```
 *
 * @returns What the function returns.
 * @throws What the function throws; TapfdError as {@link createTestNetwork}.
 */
export async function withTestNetwork<T>(
  options: TestNetworkOptions,
  use: (net: TestNetwork) => Promise<T> | T,
): Promise<T> {
  refuseSurplus('withTestNetwork', arguments, 2);
  if (typeof use !== 'function') throw invalidArgument('use', 'a function', use);
  const net = await createTestNetwork(options);
  let result: T;
  try {
    result = await use(net);
  } catch (error) {
    // The test's own error is the one to report.
    await net.fail().catch(() => undefined);
    await net.close().catch(() => undefined);
    throw error;
  }
  await net.close();
  return result;
}
