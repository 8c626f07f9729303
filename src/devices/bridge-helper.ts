/** QEMU's setuid program that opens a TAP in a bridge for unprivileged callers: finding it, running it, and its errors. */
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TapfdError } from '../base/errors.js';
import { startProcess } from '../base/start-process.js';
import type { FdSocket } from '../fd-socket/socket.js';

/** Where distributions install it; the first that exists is used. */
export const HELPER_PATHS = [
  '/usr/lib/qemu/qemu-bridge-helper', // Debian, Ubuntu, Arch
  '/usr/libexec/qemu-bridge-helper', // Fedora, RHEL
  '/usr/lib/qemu-bridge-helper',
  '/usr/libexec/qemu/qemu-bridge-helper',
  '/usr/local/libexec/qemu-bridge-helper', // built from source
];

/** How much of the helper's error output is kept. */
const MAX_COMPLAINT_BYTES = 4096;

/** `linux/stat.h` S_ISUID. */
const SET_UID = 0o4000;

/** Returns the path of an executable helper. */
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
      'install it (Debian: qemu-system-common), or give its path as helperPath',
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

/** A running helper. */
export interface RunningHelper {
  /** Kills it. */
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
    kill: () => void child.kill('SIGKILL'),
    ended: endOf(child),
  };
}

async function endOf(child: ChildProcess): Promise<HelperEnd> {
  let complaint = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = `${complaint}${text}`.slice(0, MAX_COMPLAINT_BYTES);
  });
  const [code, signal] = await once(child, 'exit');
  // Its own children may hold the other end of the pipe for long. What the helper itself said is in it by now, and is read
  // in one full turn of the event loop.
  await nextTurn();
  await nextTurn();
  child.stderr?.destroy();
  return { status: code ?? signal, complaint: complaint.trim() };
}

/** The error for a helper that sent no TAP, with the cause as far as its output and its file show it. */
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
      `the administrator allows bridges in /etc/qemu/bridge.conf, which this user must be able to read: ` +
      `it needs a line "allow ${bridge}" or "allow all", and no "deny" for that bridge`
    );
  }
  if (/No such device/.test(complaint)) {
    return `there is no bridge ${bridge} in this network namespace: create it (ip link add ${bridge} type bridge)`;
  }
  if (/Operation not supported|Invalid argument/.test(complaint)) return `is ${bridge} a bridge?`;
  if (/not permitted|[Pp]ermission denied|privileges/.test(complaint)) {
    const isPrivileged = await stat(path).then(
      ({ mode, uid }) => uid === 0 && (mode & SET_UID) !== 0,
      () => false,
    );
    return isPrivileged
      ? '/dev/net/tun must be open to this user (chmod 666 /dev/net/tun), and the file system of the helper mounted without nosuid'
      : `the helper must be setuid root: chmod u+s ${path} (Debian: dpkg-statoverride)`;
  }
  return "it should have sent one TAP: is that QEMU's qemu-bridge-helper?";
}
