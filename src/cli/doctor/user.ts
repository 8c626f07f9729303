/** What this user may do: capabilities, user namespaces. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Capability, hasCapability } from '../../base/permission.js';
import { type Answer, good, lacks, type Machine, readText } from './finding.js';

/** What each allows. */
const WANTED: readonly (readonly [Capability, string])[] = [
  ['CAP_NET_ADMIN', 'making devices and links'],
  ['CAP_SYS_ADMIN', 'other network namespaces, and macvtap where /sys shows another one'],
  ['CAP_MKNOD', 'macvtap where its node is missing or wrong'],
];

export async function checkCapabilities(
  has: (capability: Capability) => boolean = hasCapability,
  isRoot = process.geteuid?.() === 0,
): Promise<Answer> {
  const missing = WANTED.filter(([capability]) => !has(capability));
  if (missing.length === 0) return good('all that tapfd can use');
  const list = missing.map(([capability, use]) => `${capability} (${use})`).join(', ');
  return lacks(
    'warning',
    `without ${list}`,
    isRoot
      ? `give them to the container: docker run ${missing.map(([name]) => `--cap-add=${name.slice(4)}`).join(' ')}`
      : 'run as root; or have root make a TAP for you: ip tuntap add tap0 mode tap user $USER',
  );
}

/** The sysctls that keep users from making user namespaces, and what their value must be. */
const SWITCHES: readonly (readonly [name: string, isOpen: (value: string) => boolean, remedy: string])[] = [
  ['user/max_user_namespaces', (value) => value !== '0', 'sysctl user.max_user_namespaces=10000'],
  ['user/max_net_namespaces', (value) => value !== '0', 'sysctl user.max_net_namespaces=10000'],
  // Debian's own.
  ['kernel/unprivileged_userns_clone', (value) => value !== '0', 'sysctl kernel.unprivileged_userns_clone=1'],
  // Ubuntu's own.
  [
    'kernel/apparmor_restrict_unprivileged_userns',
    (value) => value === '0',
    'sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile that allows userns',
  ],
];

const NEEDED_FOR = 'the rootless test kit needs them';

/** Opens a TAP as root of a user namespace, which an ordinary user can do, too. */
export async function checkUserNamespaces(machine: Machine): Promise<Answer> {
  const closed = SWITCHES.find(([name, isOpen]) => {
    const value = readText(machine, `/proc/sys/${name}`);
    return value !== undefined && !isOpen(value);
  });
  const isRoot = process.geteuid?.() === 0;
  // Root may make them whatever the last two say.
  if (closed !== undefined && !(isRoot && closed[0].startsWith('kernel/'))) {
    return lacks(
      'warning',
      `user namespaces are off (${closed[0].replaceAll('/', '.')}): ${NEEDED_FOR}`,
      closed[2],
    );
  }
  const tried = await tryUserNamespace();
  if (tried !== undefined) {
    return lacks(
      'warning',
      `a TAP in a user namespace did not work: ${tried}; ${NEEDED_FOR}`,
      'chmod 666 /dev/net/tun; in a container, a seccomp profile that allows unshare; install util-linux',
    );
  }
  if (closed === undefined) return good('a TAP was opened in a user namespace: rootless works');
  return lacks('warning', `ordinary users may make none (${closed[0].replaceAll('/', '.')})`, closed[2]);
}

/** @returns What went wrong. */
async function tryUserNamespace(): Promise<string | undefined> {
  const library = new URL('../../index.js', import.meta.url).href;
  const program = `import { openTap } from ${JSON.stringify(library)}; await (await openTap()).close();`;
  const words = [
    '--user',
    '--map-root-user',
    '--net',
    process.execPath,
    '--input-type=module',
    '--eval',
    program,
  ];
  return promisify(execFile)('unshare', words, { encoding: 'utf8' }).then(
    () => undefined,
    (error: Error & { stderr?: string }) => complaintOf(error),
  );
}

/** What unshare or Node said: of a stack trace, the line with the message, not the source line above it. */
export function complaintOf({ message, stderr = '' }: { message: string; stderr?: string }): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return lines.find((line) => /^(?:\w*Error\b|unshare:)/.test(line)) ?? message;
}
