/** A namespace to open devices in, and what `ip` and sysfs say of them there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readlink } from 'node:fs/promises';
import type { Test } from 'tap';
import { links } from 'tapfd';
import { type IpLink, ownNamespace, type TestNamespace } from './network.js';

interface IpAddresses {
  addr_info: { local: string; prefixlen: number }[];
}

/** A network namespace below /run/netns that goes with the test. */
export class DeviceNetwork {
  readonly #namespace: TestNamespace;

  private constructor(namespace: TestNamespace) {
    this.#namespace = namespace;
  }

  static async create(t: Test): Promise<DeviceNetwork> {
    return new DeviceNetwork(await ownNamespace(t));
  }

  get name(): string {
    return this.#namespace.name;
  }

  get path(): string {
    return this.#namespace.path;
  }

  /** `ip` in this namespace. */
  ip(...args: string[]): Promise<string> {
    return this.#namespace.ip(...args);
  }

  /** A program in this namespace, with a /sys of its own. */
  exec(command: string, ...args: string[]): Promise<string> {
    return this.#namespace.exec(command, ...args);
  }

  /** Names of all links but `lo`. */
  async linkNames(): Promise<string[]> {
    return (await this.#namespace.linkNames()).filter((name) => name !== 'lo');
  }

  /** Undefined when there is no such link. */
  link(name: string): Promise<IpLink | undefined> {
    return this.#namespace.link(name);
  }

  /** Fails when there is no such link. */
  async existingLink(name: string): Promise<IpLink> {
    const link = await this.link(name);
    if (link === undefined) throw new Error(`${this.name} has no link ${name}`);
    return link;
  }

  /** What is particular to the kind of link. */
  async info(name: string): Promise<Record<string, unknown>> {
    return (await this.existingLink(name)).linkinfo?.info_data ?? {};
  }

  /** `ADDRESS/LENGTH` of the link, without the link-local one the kernel makes. */
  async addresses(name: string): Promise<string[]> {
    const [shown]: IpAddresses[] = JSON.parse(await this.ip('-j', 'address', 'show', 'dev', name));
    return shown.addr_info
      .filter(({ local }) => !local.startsWith('fe80:'))
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  }

  /** A file below /sys/class/net/NAME, as this namespace's own sysfs shows it. */
  async sysfs(name: string, file: string): Promise<string> {
    return (await this.exec('cat', `/sys/class/net/${name}/${file}`)).trim();
  }

  /** Follows `ip monitor link`, from now on. */
  async linkEvents(t: Pick<Test, 'teardown'>): Promise<{ until: (text: string) => Promise<string> }> {
    const monitor = spawn('ip', ['-n', this.name, 'monitor', 'link'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => monitor.kill());
    let heard = '';
    monitor.stdout.setEncoding('utf8').on('data', (text) => {
      heard += text;
    });
    const until = async (text: string) => {
      while (!heard.includes(text)) await once(monitor.stdout, 'data');
      return heard;
    };
    // It says nothing when it begins to listen: something happens until it hears.
    while (heard === '') {
      await this.ip('link', 'add', 'heard', 'type', 'bridge');
      await this.ip('link', 'delete', 'heard');
    }
    return { until };
  }

  /** A pair of veth links, up: a wire to put macvtap links on. */
  async wire(one: string, other: string): Promise<void> {
    await this.ip('link', 'add', one, 'type', 'veth', 'peer', 'name', other);
    await this.ip('link', 'set', one, 'up');
    await this.ip('link', 'set', other, 'up');
  }

  /** A bridge that is up and forwards at once. */
  async bridge(name: string): Promise<void> {
    await this.ip('link', 'add', name, 'type', 'bridge', 'mcast_snooping', '0');
    await this.ip('link', 'set', name, 'up');
  }
}

/** Waits until the kernel has told a link what became of the cable, which it does after the call that moved it. */
export async function untilCarrier(netns: string, name: string, wanted: boolean): Promise<void> {
  while (((await links.get(name, { netns })).operState === 'up') !== wanted);
}

/** An ifindex for `/dev/tapN` that no other test run uses: `n` is under 100. */
export function ownIndex(n: number): number {
  return 1_000_000 + process.pid * 100 + n;
}

/** The numbers of this process's open descriptors, with what each is. */
export async function openDescriptors(): Promise<string> {
  const numbers = await readdir('/proc/self/fd');
  const open = await Promise.all(
    numbers.map(async (number) => {
      try {
        return `${number} ${await readlink(`/proc/self/fd/${number}`)}`;
      } catch {
        return undefined; // the one that listed the folder
      }
    }),
  );
  return open.filter((entry) => entry !== undefined && !/\/proc\/\d+\/fd/.test(entry)).join('\n');
}
