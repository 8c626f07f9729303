/** Namespaces of a test's own, and the `ip` program as a witness that shares no code with the library. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Test } from 'tap';

const execute = promisify(execFile);
let made = 0;

/** What `ip -json link` tells of a link; only what tests look at. */
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

/** Runs a program and returns what it printed; throws with its error output when it fails. */
export async function run(command: string, ...args: string[]): Promise<string> {
  return (await execute(command, args, { encoding: 'utf8' })).stdout;
}

export interface TestNamespace {
  name: string;
  path: string;
  /** Runs a program inside. */
  exec(command: string, ...args: string[]): Promise<string>;
  ip(...args: string[]): Promise<string>;
  /** A link as `ip -d` shows it; undefined when there is none. */
  link(name: string): Promise<IpLink | undefined>;
  linkNames(): Promise<string[]>;
  /** Answers to `count` pings, from 0 to `count`. */
  ping(address: string, count?: number): Promise<number>;
}

/** A network namespace that goes when the test ends, however it ends. */
export async function ownNamespace(t: Test): Promise<TestNamespace> {
  made += 1;
  const name = `tapfd-${process.pid}-${made}`;
  await run('ip', 'netns', 'add', name);
  t.teardown(() => run('ip', 'netns', 'delete', name).catch(() => undefined));
  const ip = (...args: string[]) => run('ip', '-netns', name, ...args);
  const exec = (command: string, ...args: string[]) => run('ip', 'netns', 'exec', name, command, ...args);
  return {
    name,
    path: `/run/netns/${name}`,
    exec,
    ip,
    async link(link) {
      const links: IpLink[] = JSON.parse(await ip('-d', '-json', 'link', 'show'));
      return links.find((one) => one.ifname === link);
    },
    async linkNames() {
      const links: IpLink[] = JSON.parse(await ip('-json', 'link', 'show'));
      return links.map((one) => one.ifname);
    },
    async ping(address, count = 1) {
      // ping exits with 1 when an answer is missing.
      const output = await exec('ping', '-n', '-i', '0.05', '-c', String(count), '-W', '5', address).catch(
        (error: { stdout: string }) => error.stdout,
      );
      return Number(/(\d+) received/.exec(output)?.[1] ?? 0);
    },
  };
}

/** A namespace in which the kernel says nothing of itself, and no filter looks into bridged frames. */
export async function quietNamespace(t: Test): Promise<TestNamespace> {
  const ns = await ownNamespace(t);
  await ns.exec('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1', 'net.ipv6.conf.all.disable_ipv6=1');
  // br_netfilter, where it is loaded, drops what is not wholly right, such as IPv6 options of random bytes.
  const filters = ['iptables', 'ip6tables', 'arptables'].map((name) => `net.bridge.bridge-nf-call-${name}=0`);
  await ns.exec('sysctl', '-eqw', ...filters);
  return ns;
}

/** A veth pair between two namespaces, both ends up. */
export async function vethPair(
  a: TestNamespace,
  aName: string,
  b: TestNamespace,
  bName: string,
): Promise<void> {
  await a.ip('link', 'add', aName, 'type', 'veth', 'peer', 'name', bName, 'netns', b.name);
  await a.ip('link', 'set', aName, 'up');
  await b.ip('link', 'set', bName, 'up');
}
