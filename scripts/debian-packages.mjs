/**
 * The Debian packages that tests, demo and lint use. As root on a system with apt it installs those that are missing;
 * elsewhere it names them and the command that would. Only apt fetches anything, from its own sources.
 *
 *     node scripts/debian-packages.mjs [COMMAND...]     default: all commands of the table
 */
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { capture, findCommand, runScript, say, Trouble } from './run-command.mjs';

/** How long another apt may hold its locks: a fresh machine often upgrades itself after boot. */
const LOCK_PATIENCE_MS = 180_000;
const LOCK_RETRY_MS = 3_000;

/**
 * Which package has a command, and what needs it. Nothing is installed for a command that comes from somewhere else.
 *
 * @type {Record<string, {package: string, purpose: string}>}
 */
export const COMMANDS = {
  python3: { package: 'python3', purpose: 'building the addon (node-gyp)' },
  make: { package: 'make', purpose: 'building the addon' },
  'g++': { package: 'g++', purpose: 'building the addon' },
  ip: { package: 'iproute2', purpose: 'tests that check links from outside' },
  ping: { package: 'iputils-ping', purpose: 'tests and the demo, in which the kernel pings JavaScript' },
  tcpdump: { package: 'tcpdump', purpose: 'tests and examples that check frames from outside' },
  iperf3: { package: 'iperf3', purpose: 'the guest image and the throughput tests' },
  curl: { package: 'curl', purpose: 'the throughput tests' },
  busybox: { package: 'busybox-static', purpose: 'the guest image' },
  'dpkg-deb': { package: 'dpkg', purpose: "unpacking the guest's kernel" },
  'qemu-system-x86_64': { package: 'qemu-system-x86', purpose: 'guests' },
  'wireguard-go': { package: 'wireguard-go', purpose: 'tests with WireGuard on a TUN' },
  wg: { package: 'wireguard-tools', purpose: 'tests with WireGuard on a TUN' },
  'linux.uml': { package: 'user-mode-linux', purpose: 'tests with User-mode Linux on a TAP' },
  nft: { package: 'nftables', purpose: 'the test of which hook sees which frames' },
  passt: { package: 'passt', purpose: 'tests with passt behind a TAP' },
  tshark: { package: 'tshark', purpose: 'tests that compare decoded and captured frames with Wireshark' },
  scapy3: { package: 'python3-scapy', purpose: 'tests that compare decoded and encoded packets with scapy' },
  zsh: { package: 'zsh', purpose: 'tests of completion' },
  fish: { package: 'fish', purpose: 'tests of completion' },
  tmux: { package: 'tmux', purpose: 'tests of the command in a terminal' },
  'qemu-aarch64-static': { package: 'qemu-user-static', purpose: 'running the arm64 prebuild' },
  'musl-gcc': { package: 'musl-tools', purpose: 'loading the musl prebuild' },
  'aarch64-linux-gnu-g++': {
    package: 'g++-aarch64-linux-gnu',
    purpose: 'running the arm64 prebuild, with its libraries',
  },
  chromium: { package: 'chromium', purpose: 'the tests of the WebSocket relay and of the site' },
  'clang-format': { package: 'clang-format', purpose: 'lint' },
  'clang-tidy': { package: 'clang-tidy', purpose: 'lint' },
};

/** Used by `npm run lint` only. */
export const LINT_COMMANDS = ['clang-format', 'clang-tidy'];

/** What node-gyp needs. */
export const BUILD_COMMANDS = ['python3', 'make', 'g++'];

/**
 * Installs what is missing of these commands, as far as this process may.
 *
 * @param {readonly string[]} commands names from {@link COMMANDS}
 * @returns {Promise<string[]>} the commands still missing
 */
export async function ensureCommands(commands) {
  const missing = commands.filter((command) => findCommand(command) === undefined);
  if (missing.length === 0) return [];
  const packages = packagesOf(missing);
  for (const command of missing) {
    say(`-- ${command} is missing (package ${COMMANDS[command]?.package}): ${COMMANDS[command]?.purpose}`);
  }
  if (!mayInstall()) {
    say(`   not installed, as ${whyNot()}. To install:`);
    say(`   ${installCommand(missing)}`);
    return missing;
  }
  await installPackages(packages);
  return missing.filter((command) => findCommand(command) === undefined);
}

/**
 * As {@link ensureCommands}, for packages that have no command to look for.
 *
 * @param {readonly string[]} packages
 * @param {string} purpose
 * @returns {Promise<string[]>} the packages still missing
 */
export async function ensurePackages(packages, purpose) {
  const missing = await missingPackages(packages);
  if (missing.length === 0) return [];
  say(`-- missing packages: ${missing.join(' ')} (${purpose})`);
  if (!mayInstall()) return missing;
  await installPackages(missing);
  return missingPackages(missing);
}

/** @param {readonly string[]} packages */
async function missingPackages(packages) {
  if (findCommand('dpkg-query') === undefined) return [...packages];
  const format = ['db:Status-Status', 'Package'].map((field) => `$\{${field}}`).join(' ');
  const { stdout } = await capture('dpkg-query', ['-W', '-f', `${format}\\n`, ...packages]);
  const installed = stdout.split('\n').filter((line) => line.startsWith('installed '));
  return packages.filter((name) => !installed.includes(`installed ${name}`));
}

/**
 * The command line that installs these.
 *
 * @param {readonly string[]} commands
 */
export function installCommand(commands) {
  return `sudo apt-get install --no-install-recommends ${packagesOf(commands).join(' ')}`;
}

/** Whether this process can install packages: it is root, on a system with apt. */
export function mayInstall() {
  return process.geteuid?.() === 0 && findCommand('apt-get') !== undefined;
}

/**
 * Options for the command line of apt.
 *
 * @param {Record<string, string>} settings
 */
export function aptOptions(settings) {
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/**
 * Runs apt-get without questions, waiting while another apt runs.
 *
 * @param {readonly string[]} args
 * @param {string} [cwd]
 */
export async function aptGet(args, cwd) {
  const full = [
    '-q',
    '-y',
    ...aptOptions({
      'DPkg::Lock::Timeout': String(LOCK_PATIENCE_MS / 1000),
      'Acquire::Retries': '3',
      // As root, apt would fetch as its own user, who cannot write to our directories.
      'APT::Sandbox::User': 'root',
    }),
    ...args,
  ];
  const deadline = Date.now() + LOCK_PATIENCE_MS;
  for (;;) {
    const { status, output } = await capture('apt-get', full, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
    });
    if (status === 0) return;
    // The lists' lock has no time-out option, unlike dpkg's.
    const locked = /Could not get lock|Unable to acquire|Unable to lock/.test(output);
    if (!locked || Date.now() > deadline) {
      process.stdout.write(output);
      throw new Trouble(`apt-get ${args.join(' ')} failed`, 'see the output of apt above');
    }
    say('   another apt is running: waiting for its lock');
    await delay(LOCK_RETRY_MS);
  }
}

/** @returns {boolean} true where apt has no package lists, as in a fresh container */
export function packageListsAreEmpty() {
  try {
    return !readdirSync('/var/lib/apt/lists').some((name) => /_Packages(\.\w+)?$/.test(name));
  } catch {
    return true;
  }
}

/** @param {readonly string[]} packages */
async function installPackages(packages) {
  const install = () => aptGet(['install', '--no-install-recommends', ...packages]);
  const listsAreNew = packageListsAreEmpty();
  if (listsAreNew) await updateLists();
  say(`   installing ${packages.join(' ')}`);
  if (listsAreNew) await install();
  else await retryWithNewLists(install, updateLists);
}

/**
 * Runs `work`, and once more with new package lists if it fails: old lists name files that the mirror no longer has.
 *
 * @template Result
 * @param {() => Promise<Result>} work
 * @param {() => Promise<void>} update gets new lists
 */
export async function retryWithNewLists(work, update) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    await update();
    return await work();
  }
}

export async function updateLists() {
  say('   apt-get update');
  await aptGet(['update']);
}

/** @param {readonly string[]} commands */
function packagesOf(commands) {
  return [...new Set(commands.map((command) => COMMANDS[command]?.package ?? command))];
}

function whyNot() {
  return findCommand('apt-get') === undefined ? 'this system has no apt' : 'this needs root';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runScript(async () => {
    const asked = process.argv.slice(2);
    const unknown = asked.filter((command) => !(command in COMMANDS));
    if (unknown.length > 0) {
      throw new Trouble(
        `unknown command ${unknown.join(', ')}`,
        `known commands: ${Object.keys(COMMANDS).join(' ')}`,
      );
    }
    const missing = await ensureCommands(asked.length > 0 ? asked : Object.keys(COMMANDS));
    if (missing.length > 0) {
      throw new Trouble(`still missing: ${missing.join(' ')}`, installCommand(missing));
    }
    say('all commands are installed');
  });
}
