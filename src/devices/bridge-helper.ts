/** QEMU's setuid program that opens a TAP in a bridge for who may not: finding it, running it, and what it says. */
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { TapfdError } from '../base/errors.js';
import { startProcess } from '../base/start-process.js';
import type { FdSocket } from '../fd-socket/socket.js';

/** Where distributions install it; the first that is there is taken. */
const HELPER_PATHS = [
  '/usr/lib/qemu/qemu-bridge-helper', // Debian, Ubuntu, Arch
  '/usr/libexec/qemu-bridge-helper', // Fedora, RHEL
  '/usr/lib/qemu-bridge-helper',
  '/usr/libexec/qemu/qemu-bridge-helper',
  '/usr/local/libexec/qemu-bridge-helper', // built from source
];

/** What is kept of the helper's complaint. */
const MOST_COMPLAINT_BYTES = 4096;

/** `linux/stat.h` S_ISUID. */
const SET_UID = 0o4000;

/** The helper's path, which can be run. */
export async function findBridgeHelper(
  wanted: string | undefined,
  places: readonly string[] = HELPER_PATHS,
): Promise<string> {
  const candidates = wanted === undefined ? places : [wanted];
  for (const path of candidates) {
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  throw new TapfdError(
    'ERR_TAPFD_BRIDGE_HELPER',
    `openTapFromBridgeHelper: there is no program ${candidates.join(', nor ')}; ` +
      'install it (Debian: qemu-system-common), or name it with helperPath',
    wanted === undefined ? {} : { path: wanted },
  );
}

/** How the helper ended. */
export interface HelperEnd {
  /** Its exit status, or the signal that ended it. */
  status: number | NodeJS.Signals;
  /** What it wrote to its standard error. */
  complaint: string;
}

/** A helper that runs. */
export interface RunningHelper {
  /** Ends it at once. */
  kill(): void;
  ended: Promise<HelperEnd>;
}

/** Starts the helper with `socket` as its descriptor 3. */
export async function startBridgeHelper(
  path: string,
  args: readonly string[],
  socket: FdSocket,
): Promise<RunningHelper> {
  const stdio: SpawnOptions['stdio'] = ['ignore', 'ignore', 'pipe', socket.fd];
  const child = await startProcess('openTapFromBridgeHelper', path, [...args, '--fd=3'], { stdio });
  return {
    kill() {
      child.kill('SIGKILL');
      // What it has started may hold the other end for longer.
      child.stderr?.destroy();
    },
    ended: endOf(child),
  };
}

async function endOf(child: ChildProcess): Promise<HelperEnd> {
  let complaint = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = `${complaint}${text}`.slice(0, MOST_COMPLAINT_BYTES);
  });
  const [code, signal] = await once(child, 'close');
  return { status: code ?? signal, complaint: complaint.trim() };
}

/** The error for a helper that gave no TAP, with what its words and its file tell about the cause. */
export async function helperFailure(path: string, bridge: string, end: HelperEnd): Promise<TapfdError> {
  const how =
    typeof end.status === 'number' ? `ended with status ${end.status}` : `was ended by ${end.status}`;
  const said = end.complaint === '' ? 'and said nothing' : `and said: ${end.complaint}`;
  return new TapfdError(
    'ERR_TAPFD_BRIDGE_HELPER',
    `openTapFromBridgeHelper: ${path} ${how} ${said}; ${await remedyFor(path, bridge, end.complaint)}`,
    { path, interface: bridge, ...(end.complaint !== '' && { detail: end.complaint }) },
  );
}

async function remedyFor(path: string, bridge: string, complaint: string): Promise<string> {
  if (/acl file/.test(complaint)) {
    return (
      `the administrator decides in /etc/qemu/bridge.conf, which this user must be able to read: ` +
      `it needs a line "allow ${bridge}" or "allow all", and no "deny" of it`
    );
  }
  if (/No such device/.test(complaint)) {
    return `there is no bridge ${bridge} in this network namespace: make it (ip link add ${bridge} type bridge)`;
  }
  if (/Operation not supported|Invalid argument/.test(complaint)) return `is ${bridge} a bridge?`;
  if (/not permitted|[Pp]ermission denied|privileges/.test(complaint)) {
    const isPrivileged = await stat(path).then(
      ({ mode, uid }) => uid === 0 && (mode & SET_UID) !== 0,
      () => false,
    );
    return isPrivileged
      ? '/dev/net/tun must be open to this user (chmod 666 /dev/net/tun), and the file system of the helper mounted without nosuid'
      : `the helper needs root's rights of its own: chmod u+s ${path} (Debian: dpkg-statoverride)`;
  }
  return "it should have sent one TAP: is that QEMU's qemu-bridge-helper?";
}
