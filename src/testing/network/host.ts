/** One host of a test network: a namespace with its devices, links and programs. */
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import {
  checkInterfaceName,
  checkLinkName,
  checkObject,
  checkOptionNames,
  isList,
} from '../../base/checks.js';
import { TapfdError } from '../../base/errors.js';
import { native } from '../../base/native.js';
import { nativeCall } from '../../base/native-call.js';
import type { Macvtap } from '../../devices/macvtap.js';
import { openMacvtap } from '../../devices/open-macvtap.js';
import type { LinkOptions, MacvtapOptions, TapOptions, TunOptions } from '../../devices/open-options.js';
import { openTap, openTun } from '../../devices/open-tap.js';
import type { Tap } from '../../devices/tap.js';
import type { Tun } from '../../devices/tun.js';
import type { FrameStream } from '../../frames/stream.js';
import type { Link } from '../../links/link.js';
import { openNetns } from '../../links/namespace.js';
import type { Netns } from '../../links/netns.js';
import type { NewBridge } from '../../links/options.js';
import { type CaptureFramesOptions, captureFrames, type FrameLog } from '../expect/frame-log.js';
import { type HostLinks, linksOf } from './host-links.js';
import { checkLinkShape, hasIpv6, type LinkShape } from './options.js';
import { checkCommand, checkExecOptions, type ExecOptions, type ExecResult, Processes } from './processes.js';
import type { Recorder } from './recorder.js';

/** What a host is made of. */
export interface HostParts {
  name: string;
  netns: Netns;
  devicePath: string | undefined;
  recorder: Recorder | undefined;
}

/**
 * A host of a test network: it has a network namespace of its own. Whatever is opened and started by its methods is in that
 * namespace, and ends with the network.
 */
export class TestHost {
  /** The name that `net.host()` was given; the network's own is `''`. */
  readonly name: string;
  /** Its namespace, for functions that take one. It is the network's to close. */
  readonly netns: Netns;
  /** The functions of `links`, in this namespace. */
  readonly links: HostLinks;
  readonly #devicePath: string | undefined;
  readonly #recorder: Recorder | undefined;
  readonly #processes: Processes;
  readonly #devices = new Set<FrameStream>();
  readonly #opening = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor({ name, netns, devicePath, recorder }: HostParts) {
    this.name = name;
    this.netns = netns;
    this.links = linksOf(netns);
    this.#devicePath = devicePath;
    this.#recorder = recorder;
    this.#processes = new Processes(netns);
  }

  /** The devices that are open. @internal */
  get devices(): readonly FrameStream[] {
    return [...this.#devices];
  }

  /**
   * Opens a TAP, as `openTap()` does: `await net.tap({ bridge: 'br0' })`.
   *
   * @throws TapfdError as `openTap()`; `ERR_TAPFD_CLOSED` after `close()`.
   */
  tap(options: TapOptions = {}): Promise<Tap> {
    return this.#open('tap', () =>
      openTap({ ...this.#defaults(options), ...this.#cloneDevice(), ...options }),
    );
  }

  /**
   * Opens a TUN, as `openTun()` does.
   *
   * @throws TapfdError as `openTun()`; `ERR_TAPFD_CLOSED` after `close()`.
   */
  tun(options: TunOptions = {}): Promise<Tun> {
    return this.#open('tun', () =>
      openTun({ ...this.#defaults(options), ...this.#cloneDevice(), ...options }),
    );
  }

  /**
   * Opens a macvtap, as `openMacvtap()` does. Its node in `/dev` belongs to root, in a user namespace, too: without the
   * privilege (`rootless`), `EACCES` is what comes of it unless the administrator has opened the node.
   *
   * @throws TapfdError as `openMacvtap()`; `ERR_TAPFD_CLOSED` after `close()`.
   */
  macvtap(options: MacvtapOptions): Promise<Macvtap> {
    return this.#open('macvtap', () => openMacvtap({ ...this.#defaults(options), ...options }));
  }

  /** The same as {@link tap}. */
  openTap(options: TapOptions = {}): Promise<Tap> {
    return this.tap(options);
  }

  /** The same as {@link tun}. */
  openTun(options: TunOptions = {}): Promise<Tun> {
    return this.tun(options);
  }

  /** The same as {@link macvtap}. */
  openMacvtap(options: MacvtapOptions): Promise<Macvtap> {
    return this.macvtap(options);
  }

  /**
   * Keeps the frames of a device from now on: {@link captureFrames}.
   *
   * @throws TapfdError as `captureFrames()`.
   */
  capture(device: FrameStream, options: CaptureFramesOptions = {}): FrameLog {
    return captureFrames(device, options);
  }

  /**
   * Creates a bridge that is up and forwards multicast frames to all its ports.
   *
   * @throws TapfdError as `links.create()`; `ERR_TAPFD_CLOSED` after `close()`.
   */
  async bridge(name: string, options: Omit<NewBridge, 'kind' | 'name'> = {}): Promise<Link> {
    this.assertOpen('bridge');
    checkInterfaceName('name', name);
    checkObject('options', options);
    return this.links.create({ up: true, multicastSnooping: false, ...options, kind: 'bridge', name });
  }

  /**
   * Limits what a link sends, or with null no longer.
   *
   * @throws TapfdError `ERR_TAPFD_INVALID_ARGUMENT`; `ENODEV`; `ENOENT`: the kernel has no tbf, or with null the link has no
   * limit; `ERR_TAPFD_CLOSED` after `close()`.
   */
  async shape(link: string, shape: LinkShape | null): Promise<void> {
    this.assertOpen('shape');
    checkLinkName('link', link);
    const wanted = shape === null ? undefined : checkLinkShape(shape);
    const ns = await openNetns('netns', this.netns);
    try {
      await nativeCall({ operation: 'shape', interface: link }, () => native().shapeLink(ns, link, wanted));
    } finally {
      ns.close();
    }
  }

  /**
   * Runs a program in the namespace, and collects what it writes. It gets no input, unless `input` has some.
   *
   * @example
   * ```ts
   * import { createTestNetwork } from 'tapfd/testing';
   *
   * await using net = await createTestNetwork();
   * const { stdout } = await net.exec('ip', ['-brief', 'address']);
   * console.log(stdout);
   * ```
   *
   * @throws TapfdError `ERR_TAPFD_EXEC`: it ended with another status than 0, or by a signal; its last output is in
   * `detail`. `ENOENT`, `EACCES` (`spawn`): it could not be started. `ERR_TAPFD_CLOSED` after `close()`; the reason of
   * `signal`.
   */
  async exec(command: string, args: readonly string[] = [], options: ExecOptions = {}): Promise<ExecResult> {
    this.assertOpen('exec');
    const checked = checkCommand(command, args);
    checkOptionNames('exec', checkObject('options', options), ['input', 'env', 'cwd', 'signal']);
    return this.#processes.exec(command, checked, checkExecOptions(options));
  }

  /**
   * Starts a program in the namespace, as `child_process.spawn()` does. It and whatever it has started are killed when the
   * network is closed, and when the process or thread that started it ends, even by SIGKILL: the program by the kernel, the
   * rest by a shell (`sh`) that waits in the namespace.
   *
   * @throws TapfdError `ERR_TAPFD_CLOSED` after `close()`, and what `netns.spawn()` throws.
   */
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    this.assertOpen('spawn');
    return this.#processes.spawn(command, checkCommand(command, args), options);
  }

  /** @internal Ends what is in the namespace, and the namespace. */
  end(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  /** @internal */
  assertOpen(operation: string): void {
    if (this.#closing === undefined) return;
    throw new TapfdError('ERR_TAPFD_CLOSED', `${operation}: the test network is closed`);
  }

  /** In a quiet namespace IPv6 is off, and a link that gets an address of it needs it on. */
  #defaults(options: unknown): Pick<TapOptions, 'netns' | 'ipv6'> {
    const { netns } = this;
    const { addresses }: LinkOptions = checkObject('options', options);
    return isList(addresses) && hasIpv6(addresses) ? { netns, ipv6: true } : { netns };
  }

  #cloneDevice(): Pick<TapOptions, 'devicePath'> {
    return this.#devicePath === undefined ? {} : { devicePath: this.#devicePath };
  }

  async #open<Device extends FrameStream>(operation: string, open: () => Promise<Device>): Promise<Device> {
    this.assertOpen(operation);
    const opening = this.#opened(operation, open);
    this.#opening.add(opening);
    try {
      return await opening;
    } finally {
      this.#opening.delete(opening);
    }
  }

  async #opened<Device extends FrameStream>(operation: string, open: () => Promise<Device>): Promise<Device> {
    const device = await open();
    if (this.#closing !== undefined) {
      await device.close();
      this.assertOpen(operation);
    }
    this.#devices.add(device);
    this.#recorder?.add(device);
    device.once('close', () => this.#devices.delete(device));
    return device;
  }

  async #end(): Promise<void> {
    // Those that are being opened are closed by who opens them, and their failures are theirs.
    const opened = Promise.allSettled(this.#opening);
    const results = await Promise.allSettled([
      this.#processes.close(),
      ...this.devices.map((device) => device.close()),
      opened,
    ]);
    results.push(...(await Promise.allSettled([this.netns.close()])));
    throwFirst(results);
  }
}

/** Throws the first failure of those that were all tried. */
export function throwFirst(results: readonly PromiseSettledResult<unknown>[]): void {
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
