/** Namespaces of a test's own, and the `ip` program as a witness that shares no code with the library. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Test } from 'tap';

const execute = promisify(execFile);
let made = 0;

/** What `ip -json link` shows of a link; only what tests look at. */
export interface IpLink {
  ifindex: number;
  ifname: string;
  flags: string[];
  mtu: number;
  address: string;
  operstate: string;
  master?: string;
  link?: string;
  linkinfo?: { info_kind?: string; info_data?: Record<string, unknown> };
}

interface IpAddresses {
  addr_info: { local: string; prefixlen: number }[];
}

/** Runs a program and returns what it printed; throws with its error output when it fails. */
export async function run(command: string, ...args: string[]): Promise<string> {
  return (await execute(command, args, { encoding: 'utf8' })).stdout;
}

/** A network namespace below /run/netns. */
export class TestNamespace {
  constructor(readonly name: string) {}

  get path(): string {
    return `/run/netns/${this.name}`;
  }

  /** Runs a program inside, with a /sys of its own. */
  exec(command: string, ...args: string[]): Promise<string> {
    return run('ip', 'netns', 'exec', this.name, command, ...args);
  }

  /** `ip` in this namespace. */
  ip(...args: string[]): Promise<string> {
    return run('ip', '-netns', this.name, ...args);
  }

  /** Names of all links but `lo`. */
  async linkNames(): Promise<string[]> {
    const links: IpLink[] = JSON.parse(await this.ip('-json', 'link', 'show'));
    return links.map(({ ifname }) => ifname).filter((name) => name !== 'lo');
  }

  /** A link as `ip -d` shows it; undefined when there is none. */
  async link(name: string): Promise<IpLink | undefined> {
    const links: IpLink[] = JSON.parse(await this.ip('-d', '-json', 'link', 'show'));
    return links.find(({ ifname }) => ifname === name);
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

  /**
   * Answers to `count` pings, one after the other, until one has none. Each by a program of its own: after its first answer
   * ping(8) waits for the others no longer than for that, whatever its `-W`.
   */
  async ping(address: string, count = 1): Promise<number> {
    for (let answers = 0; answers < count; answers++) {
      // ping exits with 1 when the answer is missing.
      const output = await this.exec('ping', '-n', '-c', '1', '-W', '5', address).catch(
        (error: { stdout: string }) => error.stdout,
      );
      if (!output.includes(' 1 received')) return answers;
    }
    return count;
  }

  /** Adds a bridge that is up and forwards at once. */
  async bridge(name: string): Promise<void> {
    await this.ip('link', 'add', name, 'up', 'type', 'bridge', 'mcast_snooping', '0');
  }

  /** Adds a pair of veth links, up: a wire to put macvtap links on. */
  async wire(one: string, other: string): Promise<void> {
    await vethPair(this, one, this, other);
  }
}

/** A network namespace that is removed when the test ends, however it ends. */
export async function ownNamespace(t: Pick<Test, 'teardown'>): Promise<TestNamespace> {
  made += 1;
  const name = `tapfd-${process.pid}-${made}`;
  await run('ip', 'netns', 'add', name);
  t.teardown(() => run('ip', 'netns', 'delete', name).catch(() => undefined));
  return new TestNamespace(name);
}

/** A namespace in which the kernel sends nothing of its own accord and no filter inspects bridged frames. */
export async function quietNamespace(t: Pick<Test, 'teardown'>): Promise<TestNamespace> {
  const ns = await ownNamespace(t);
  await ns.exec('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1', 'net.ipv6.conf.all.disable_ipv6=1');
  // Where br_netfilter is loaded, it drops what is not quite valid, such as IPv6 options of random bytes.
  const filters = ['iptables', 'ip6tables', 'arptables'].map((name) => `net.bridge.bridge-nf-call-${name}=0`);
  await ns.exec('sysctl', '-eqw', ...filters);
  return ns;
}

/** A namespace with the bridge `br0`, and with the veth pair `wire` and `far`, all up. */
export async function bridgeAndWire(t: Pick<Test, 'teardown'>): Promise<TestNamespace> {
  const ns = await ownNamespace(t);
  await ns.bridge('br0');
  await ns.wire('wire', 'far');
  return ns;
}

/** A veth pair between two namespaces, both ends up. */
export async function vethPair(
  a: TestNamespace,
  aName: string,
  b: TestNamespace,
  bName: string,
): Promise<void> {
  await a.ip('link', 'add', aName, 'up', 'type', 'veth', 'peer', 'name', bName, 'netns', b.name);
  await b.ip('link', 'set', bName, 'up');
}

/** An ifindex for `/dev/tapN` that no other test process uses: `n` is under 100. */
export function ownIndex(n: number): number {
  return 1_000_000 + process.pid * 100 + n;
}
