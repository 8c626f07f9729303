/**
 * The Debian packages that tests, demo and lint use. Run as root on a system with apt it installs those that are
 * missing; anywhere else it names them and the command that would. Nothing is fetched from anywhere but apt's own
 * sources.
 *
 *     node scripts/debian-packages.mjs [COMMAND...]     default: all of the table
 */
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { capture, findCommand, runScript, say, Trouble } from './run-command.mjs';

/** How long another apt may hold its locks (a fresh machine often upgrades itself after boot). */
const LOCK_PATIENCE_MS = 180_000;
const LOCK_RETRY_MS = 3_000;

/**
 * Which package brings a command, and what is lost without it. The command is looked for, not the package: whoever has
 * it from elsewhere needs nothing installed.
 *
 * @type {Record<string, {package: string, purpose: string}>}
 */
export const COMMANDS = {
  python3: { package: 'python3', purpose: 'building the addon (node-gyp)' },
  make: { package: 'make', purpose: 'building the addon' },
  'g++': { package: 'g++', purpose: 'building the addon' },
  ip: { package: 'iproute2', purpose: 'tests that look at links from outside' },
  ping: { package: 'iputils-ping', purpose: 'tests and the demo, where the kernel pings JavaScript' },
  tcpdump: { package: 'tcpdump', purpose: 'tests and examples that see frames from outside' },
  iperf3: { package: 'iperf3', purpose: 'the guest image and the throughput tests' },
  curl: { package: 'curl', purpose: 'the throughput tests' },
  busybox: { package: 'busybox-static', purpose: 'the guest image' },
  'dpkg-deb': { package: 'dpkg', purpose: "unpacking the guest's kernel" },
  'qemu-system-x86_64': { package: 'qemu-system-x86', purpose: 'guests' },
  'wireguard-go': { package: 'wireguard-go', purpose: 'tests with WireGuard on a TUN' },
  wg: { package: 'wireguard-tools', purpose: 'tests with WireGuard on a TUN' },
  'linux.uml': { package: 'user-mode-linux', purpose: 'tests with User-mode Linux on a TAP' },
  passt: { package: 'passt', purpose: 'tests with passt behind a TAP' },
  chromium: { package: 'chromium', purpose: 'the test of the WebSocket relay' },
  'clang-format': { package: 'clang-format', purpose: 'lint' },
  'clang-tidy': { package: 'clang-tidy', purpose: 'lint' },
};

/** What only `npm run lint` uses. */
export const LINT_COMMANDS = ['clang-format', 'clang-tidy'];

/** What `node-gyp` cannot do without. */
export const BUILD_COMMANDS = ['python3', 'make', 'g++'];

/**
 * Makes sure of the commands, as far as this process may.
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
    say(`   not installed: ${whyNot()}. To have ${missing.length === 1 ? 'it' : 'them'}:`);
    say(`   ${installCommand(missing)}`);
    return missing;
  }
  await install(packages);
  return missing.filter((command) => findCommand(command) === undefined);
}

/**
 * As {@link ensureCommands}, for packages that bring no command to look for.
 *
 * @param {readonly string[]} packages
 * @param {string} purpose
 * @returns {Promise<string[]>} the packages still missing
 */
export async function ensurePackages(packages, purpose) {
  const missing = await missingPackages(packages);
  if (missing.length === 0) return [];
  say(`-- missing: ${missing.join(' ')}: ${purpose}`);
  if (!mayInstall()) return missing;
  await install(missing);
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
 * The command a person would type to get these.
 *
 * @param {readonly string[]} commands
 */
export function installCommand(commands) {
  return `sudo apt-get install --no-install-recommends ${packagesOf(commands).join(' ')}`;
}

/** True where this process can install packages: root, on a system with apt. */
export function mayInstall() {
  return process.geteuid?.() === 0 && findCommand('apt-get') !== undefined;
}

/**
 * Runs apt-get without questions, waiting while another apt is at work.
 *
 * @param {readonly string[]} args
 * @param {string} [cwd]
 */
export async function aptGet(args, cwd) {
  const full = [
    '-q',
    '-y',
    '-o',
    `DPkg::Lock::Timeout=${LOCK_PATIENCE_MS / 1000}`,
    '-o',
    'Acquire::Retries=3',
    // As root, apt would fetch as a user of its own, who cannot write to a directory of ours.
    '-o',
    'APT::Sandbox::User=root',
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
      throw new Trouble(`apt-get ${args.join(' ')} failed`, 'see what apt says above');
    }
    say('   another apt is at work: waiting for its lock');
    await delay(LOCK_RETRY_MS);
  }
}

/** @returns {boolean} true where apt knows no packages at all, as in a fresh container */
export function packageListsAreEmpty() {
  try {
    return !readdirSync('/var/lib/apt/lists').some((name) => /_Packages(\.\w+)?$/.test(name));
  } catch {
    return true;
  }
}

/** @param {readonly string[]} packages */
async function install(packages) {
  const listsAreNew = packageListsAreEmpty();
  if (listsAreNew) await updateLists();
  say(`   installing ${packages.join(' ')}`);
  try {
    await aptGet(['install', '--no-install-recommends', ...packages]);
  } catch (error) {
    if (!(error instanceof Trouble) || listsAreNew) throw error;
    // Old lists name files that the mirror no longer has: once more with new ones.
    await updateLists();
    await aptGet(['install', '--no-install-recommends', ...packages]);
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
  return findCommand('apt-get') === undefined ? 'this system has no apt' : 'only root may install';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runScript(async () => {
    const asked = process.argv.slice(2);
    const unknown = asked.filter((command) => !(command in COMMANDS));
    if (unknown.length > 0) {
      throw new Trouble(
        `no entry for ${unknown.join(', ')}`,
        `known commands: ${Object.keys(COMMANDS).join(' ')}`,
      );
    }
    const missing = await ensureCommands(asked.length > 0 ? asked : Object.keys(COMMANDS));
    if (missing.length > 0) {
      throw new Trouble(`still missing: ${missing.join(' ')}`, installCommand(missing));
    }
    say('every command is there');
  });
}
