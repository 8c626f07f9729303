/**
 * What this machine can do for the tests, found by trying. A test that needs something says `needs('macvtap')` and is
 * skipped with the reason if the machine lacks it; `scripts/test/main.mjs` uses the same table, says at the end what could
 * not run and why, and in CI fails a run that skipped a test this machine can run.
 */
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installCommand } from '../debian-packages.mjs';
import { findGuestImage } from '../guest/image.mjs';
import { findV86Image } from '../guest/v86-image.mjs';
import { isOnDemandInstalled } from '../on-demand.mjs';
import { checkPrebuilds } from '../prebuilds/check.mjs';
import { ROOT, whyDependenciesAreStale } from '../prepare.mjs';
import { findCommand } from '../run-command.mjs';

/** `linux/capability.h`: what opening devices, making links and entering namespaces take. */
const ROOT_CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_MKNOD: 27 };

/** An index that no test's link gets by itself, so that the probe's /dev/tap node is its own. */
const PROBE_INDEX = 1_900_000_000;

/** Runs a command that may not use the devices of a major number. */
const DENY_DEVICE = fileURLToPath(new URL('../../test/kit/deny_device.py', import.meta.url));
/** Debian's path; it comes with QEMU. */
const BRIDGE_HELPER = '/usr/lib/qemu/qemu-bridge-helper';

/** A lower device for links that need one. */
const PROBE_WIRE = 'ip link add name wire type veth';

/** Sets of packages for the tests of the tarball. */
export const MATRIX_RUNTIMES = `test/package/matrix/runtimes-${process.arch}`;
export const ARM64_RUNTIMES = 'test/package/matrix/runtimes-arm64';
export const MATRIX_TOOLS = 'test/package/matrix/tools';
const REGISTRY_PATIENCE_MS = 20_000;

/**
 * Something the machine lacks: the problem and its remedy.
 *
 * @typedef {{problem: string, remedy: string}} Lack
 */

/**
 * Each returns undefined if the machine has the capability.
 *
 * @type {Record<string, () => Lack | undefined>}
 */
const PROBES = {
  node: () => {
    const other = ['bun', 'deno'].find((runtime) => process.versions[runtime] !== undefined);
    return other === undefined ? undefined : { problem: `this is ${other}`, remedy: 'run it with node' };
  },
  root: () => {
    if (process.geteuid?.() !== 0) return { problem: 'this is not root', remedy: 'run it as root (sudo)' };
    const missing = Object.entries(ROOT_CAPABILITIES)
      .filter(([, bit]) => (effectiveCapabilities() & (1n << BigInt(bit))) === 0n)
      .map(([name]) => name);
    if (missing.length === 0) return undefined;
    return {
      problem: `this root has no ${missing.join(', ')}`,
      remedy: 'grant them to the container, or use a virtual machine',
    };
  },
  'tun-device': () => {
    try {
      closeSync(openSync('/dev/net/tun', 'r+'));
      return undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return {
        problem: `/dev/net/tun cannot be opened (${reason})`,
        remedy: 'modprobe tun; in a container, give it the device',
      };
    }
  },
  netns: () => inNewNamespace('true', 'cannot make a network namespace', 'run as root with CAP_SYS_ADMIN'),
  bridge: () => linkProbe('bridge', 'ip link add type bridge'),
  veth: () => linkProbe('veth', 'ip link add type veth'),
  vxlan: () => linkProbe('vxlan', 'ip link add type vxlan id 1 dstport 4789'),
  macvlan: () => linkProbe('macvlan', `${PROBE_WIRE} && ip link add link wire type macvlan`),
  macvtap: () =>
    linkProbe('macvtap', `${PROBE_WIRE} && ip link add link wire index ${PROBE_INDEX} type macvtap`),
  'user-namespace': () => {
    const tried = spawnSync('unshare', ['--user', '--map-root-user', '--net', 'true'], { encoding: 'utf8' });
    if (tried.status === 0) return undefined;
    return {
      problem: `cannot make a user namespace: ${complaint(tried)}`,
      remedy: 'sysctl user.max_user_namespaces=1000; some systems have a switch of their own beside it',
    };
  },
  'device-cgroup': () => {
    const tried = spawnSync('python3', [DENY_DEVICE, '0', 'true'], { encoding: 'utf8' });
    if (tried.status === 0) return undefined;
    const said = tried.error?.message ?? tried.stderr.trim().split('\n').at(-1);
    return {
      problem: `a cgroup cannot be denied devices: ${said}`,
      remedy: 'as root with python3, where cgroup2 is mounted and may be written to',
    };
  },
  ip: () => commandProbe('ip'),
  ping: () => commandProbe('ping'),
  tcpdump: () => commandProbe('tcpdump'),
  tshark: () => commandProbe('tshark') ?? commandProbe('capinfos'),
  iperf3: () => commandProbe('iperf3'),
  curl: () => commandProbe('curl'),
  python3: () => {
    // The first to have socket.send_fds is 3.9.
    const tried = spawnSync('python3', ['-c', 'import socket; socket.send_fds'], { encoding: 'utf8' });
    return tried.status === 0
      ? undefined
      : {
          problem: `there is no Python 3.9 or later: ${complaint(tried)}`,
          remedy: installCommand(['python3']),
        };
  },
  qemu: () => commandProbe('qemu-system-x86_64'),
  'bridge-helper': () => {
    try {
      accessSync(BRIDGE_HELPER, constants.X_OK);
      return undefined;
    } catch {
      const remedy = 'sudo apt-get install --no-install-recommends qemu-system-common';
      return { problem: `there is no ${BRIDGE_HELPER}`, remedy };
    }
  },
  guest: () => {
    const qemu = lackOf('qemu');
    if (qemu !== undefined) return qemu;
    if (findGuestImage() !== undefined) return undefined;
    return { problem: 'there is no guest image', remedy: 'node scripts/guest/image.mjs' };
  },
  v86: () => {
    if (findV86Image() !== undefined) return undefined;
    return { problem: 'there is no machine for v86', remedy: 'node scripts/guest/v86-image.mjs' };
  },
  'user-mode-linux': () => {
    const image = findGuestImage();
    const lack = commandProbe('linux.uml') ?? lackOf('guest');
    if (lack !== undefined || image === undefined) return lack;
    // It boots and runs one program. Some machines allow no ptrace, or no code on /dev/shm; and on processors with more
    // registers than its kernel knows, it boots, but every program in it crashes.
    const directory = mkdtempSync(join(tmpdir(), 'tapfd-uml-'));
    const boot = ['mem=128M', 'quiet', 'panic=-1', `initrd=${image.initramfs}`, 'rdinit=/bin/busybox'];
    const consoles = ['con=null', 'con0=null,fd:1', 'ssl=null', `uml_dir=${directory}`];
    const tried = spawnSync('linux.uml', [...boot, ...consoles], {
      encoding: 'utf8',
      timeout: 60_000,
      input: '',
    });
    rmSync(directory, { recursive: true, force: true });
    const said = `${tried.stdout}${tried.stderr}`;
    if (/^BusyBox v\d/m.test(said)) return undefined;
    const reason = /Kernel panic - (.*)/.exec(said)?.[1] ?? said.trim().split('\n').at(-1) ?? '';
    return {
      problem: `linux.uml runs no program here: ${tried.error?.message ?? reason.trim()}`,
      remedy: 'allow ptrace, and code on /dev/shm; or use another processor',
    };
  },
  wireguard: () => commandProbe('wireguard-go') ?? commandProbe('wg'),
  zsh: () => commandProbe('zsh'),
  fish: () => commandProbe('fish'),
  tmux: () => commandProbe('tmux'),
  nft: () =>
    commandProbe('nft') ??
    inNewNamespace('nft add table netdev probe', 'nftables does not work', 'modprobe nf_tables'),
  passt: () => commandProbe('passt'),
  scapy: () => commandProbe('scapy3'),
  chromium: () => commandProbe('chromium'),
  'qemu-aarch64': () => commandProbe('qemu-aarch64-static'),
  'arm64-runtime': () => onDemandProbe(ARM64_RUNTIMES),
  musl: () => commandProbe('musl-gcc'),
  prebuilds: () => {
    try {
      checkPrebuilds();
      return undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message.replaceAll(/\s+/g, ' ') : String(error);
      return { problem: reason, remedy: 'npm run prebuilds' };
    }
  },
  'matrix-runtimes': () => onDemandProbe(MATRIX_RUNTIMES),
  'matrix-tools': () => onDemandProbe(MATRIX_TOOLS),
  registry: () => {
    const options = ['--fetch-retries=0', `--fetch-timeout=${REGISTRY_PATIENCE_MS}`, '--prefer-online'];
    const tried = spawnSync('npm', ['view', 'bindings@1.5.0', 'version', ...options], { encoding: 'utf8' });
    if (tried.status === 0) return undefined;
    const said = /^npm error (?!code)(.*)/m.exec(tried.stderr)?.[1];
    return {
      problem: `npm's registry does not answer: ${said ?? complaint(tried)}`,
      remedy: 'connect to the network',
    };
  },
  'site-tools': () => {
    const problem = whyDependenciesAreStale(join(ROOT, 'docs/site'));
    return problem === undefined
      ? undefined
      : { problem: `docs/site: ${problem}`, remedy: 'npm ci --prefix docs/site' };
  },
};

/**
 * @typedef {'node' | 'root' | 'tun-device' | 'netns' | 'bridge' | 'veth' | 'vxlan' | 'macvlan' | 'macvtap' | 'user-namespace'
 *   | 'device-cgroup' | 'ip' | 'ping' | 'tcpdump' | 'iperf3' | 'curl' | 'python3' | 'qemu' | 'bridge-helper' | 'guest'
 *   | 'v86' | 'user-mode-linux' | 'wireguard' | 'nft' | 'passt' | 'tshark' | 'scapy' | 'chromium'
 *   | 'qemu-aarch64' | 'arm64-runtime' | 'musl' | 'prebuilds' | 'matrix-runtimes' | 'matrix-tools'
 *   | 'registry' | 'site-tools' | 'zsh' | 'fish' | 'tmux'} Capability
 */

/** Tells test processes what is missing and why, so that each probe runs once. */
const HANDED_DOWN = 'TAPFD_TEST_MISSING';

/** @type {Map<string, Lack | undefined>} */
const known = new Map();

/**
 * The reason why a test cannot run here, for tap's `skip` option: `false` if it can.
 *
 *     t.test('siblings exchange frames', { skip: needs('root', 'macvtap') }, async (t) => …)
 *
 * @param {readonly Capability[]} capabilities
 * @returns {string | false}
 */
export function needs(...capabilities) {
  for (const capability of capabilities) {
    const lack = lackOf(capability);
    if (lack !== undefined) return `needs ${capability}: ${lack.problem}: ${lack.remedy}`;
  }
  return false;
}

/**
 * What this machine lacks for a capability; undefined if it has it. Each is tried once.
 *
 * @param {Capability} capability
 * @returns {Lack | undefined}
 */
export function lackOf(capability) {
  const handedDown = capability === 'node' ? undefined : process.env[HANDED_DOWN]; // the runner is Node
  if (handedDown !== undefined) return JSON.parse(handedDown)[capability];
  if (!known.has(capability)) known.set(capability, PROBES[capability]?.());
  return known.get(capability);
}

/** What only single tests of other programs need: without it, the rest still covers all of src/. */
const BESIDE_COVERAGE = [
  'iperf3',
  'curl',
  'tshark',
  'guest',
  'v86',
  'user-mode-linux',
  'wireguard',
  'nft',
  'passt',
  'scapy',
  'zsh',
  'fish',
  'chromium',
  'qemu-aarch64',
  'arm64-runtime',
  'musl',
  'prebuilds',
  'matrix-runtimes',
  'matrix-tools',
  'registry',
  'site-tools',
];

/**
 * Whether the tests that can run cover all of `src/`.
 *
 * @param {Record<string, Lack>} missing
 */
export function canCover(missing) {
  return Object.keys(missing).every((capability) => BESIDE_COVERAGE.includes(capability));
}

/**
 * Everything this machine lacks, by capability.
 *
 * @returns {Record<string, Lack>}
 */
export function missingCapabilities() {
  /** @type {Record<string, Lack>} */
  const missing = {};
  for (const capability of /** @type {Capability[]} */ (Object.keys(PROBES))) {
    const lack = lackOf(capability);
    if (lack !== undefined) missing[capability] = lack;
  }
  return missing;
}

/**
 * The environment that tells test processes what {@link missingCapabilities} found.
 *
 * @param {Record<string, Lack>} missing
 */
export function handDown(missing) {
  return { [HANDED_DOWN]: JSON.stringify(missing) };
}

/**
 * The capability that a skipped test named as missing, or undefined if its reason names none.
 *
 * @param {string} reason
 */
export function capabilityInReason(reason) {
  const name = /^needs ([a-z0-9-]+):/.exec(reason)?.[1];
  return name !== undefined && Object.hasOwn(PROBES, name) ? name : undefined;
}

function effectiveCapabilities() {
  const bits = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return BigInt(`0x${bits ?? '0'}`);
}

/** @param {string} command */
function commandProbe(command) {
  if (findCommand(command) !== undefined) return undefined;
  return { problem: `there is no ${command}`, remedy: installCommand([command]) };
}

/** @param {string} set */
function onDemandProbe(set) {
  if (existsSync(join(ROOT, set)) && isOnDemandInstalled(set)) return undefined;
  const remedy = `node scripts/on-demand.mjs ${set}, where npm's registry answers`;
  return { problem: `the packages of ${set} are not installed`, remedy };
}

/**
 * Creates a link in a namespace that disappears with the probe.
 *
 * @param {string} kind
 * @param {string} script
 */
function linkProbe(kind, script) {
  return (
    lackOf('ip') ??
    lackOf('netns') ??
    inNewNamespace(script, `the kernel cannot make a ${kind} link`, `modprobe ${kind}`)
  );
}

/**
 * @param {string} script
 * @param {string} failure
 * @param {string} remedy
 * @returns {Lack | undefined}
 */
function inNewNamespace(script, failure, remedy) {
  const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` };
  const tried = spawnSync('unshare', ['--net', 'sh', '-c', script], { encoding: 'utf8', env });
  return tried.status === 0 ? undefined : { problem: `${failure}: ${complaint(tried)}`, remedy };
}

/** @param {import('node:child_process').SpawnSyncReturns<string>} tried */
function complaint(tried) {
  return tried.error?.message ?? (tried.stderr.trim().split('\n')[0] || `status ${tried.status}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${JSON.stringify(missingCapabilities(), undefined, 2)}\n`);
}
