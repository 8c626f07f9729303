/** Cause and remedy of each known failure of a system call. Text only: programs branch on codes. */
import { existsSync, statSync } from 'node:fs';
import type { TapfdErrorDetails } from './errors.js';
import { capabilityRemedy, isOnNodevMount } from './permission.js';

type Remedy = string | ((facts: TapfdErrorDetails) => string | undefined);

/**
 * Keyed by `syscall code` (`rtnetlink RTM_NEWLINK EEXIST`), then by the call's first word (`rtnetlink EEXIST`), then by
 * `code` alone if it means the same everywhere.
 */
const REMEDIES: Partial<Record<string, Remedy>> = {
  EPERM: () => capabilityRemedy('this', 'CAP_NET_ADMIN', 'in a user namespace of your own'),
  'spawn ENOENT':
    'there is no such program (a plain name is looked up in PATH of options.env), or options.cwd is missing',
  'spawn EACCES':
    'the file is not an executable program, or a directory on the way to it is closed to this user',
  'spawn E2BIG': 'one argument or environment variable is too long, or all of them together are',
  'spawn EPERM': 'changing to options.uid or options.gid needs root',
  'setns EPERM': () => capabilityRemedy('entering a network namespace', 'CAP_SYS_ADMIN'),
  'unshare EPERM': () => capabilityRemedy('making a network namespace', 'CAP_SYS_ADMIN'),
  'unshare ENOSPC': 'the limit on network namespaces is reached (sysctl user.max_net_namespaces)',
  'unshare CLONE_NEWUSER EPERM':
    'this system keeps users from making user namespaces: set the sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu) or kernel.unprivileged_userns_clone=1 (Debian), or allow it in the profile of the container',
  'unshare CLONE_NEWUSER ENOSPC': 'the limit on user namespaces is reached (sysctl user.max_user_namespaces)',
  'unshare CLONE_NEWNET ENOSPC':
    'the limit on network namespaces is reached (sysctl user.max_net_namespaces)',
  'clone ENOSYS': 'this system cannot share memory between processes (an emulator?): run as root instead',
  'mount EPERM': () => capabilityRemedy('mounting in /run/netns', 'CAP_SYS_ADMIN'),
  'umount2 EPERM': () => capabilityRemedy('removing a network namespace', 'CAP_SYS_ADMIN'),
  'ioctl EBADFD': 'the device behind the descriptor was deleted: open it again',
  'ioctl ENOLINK': 'the macvtap behind the descriptor was deleted: open it again',
  'ioctl TUNGETIFF EBADFD':
    'the descriptor has no interface: it was never given one (TUNSETIFF), or its device was deleted',
  'ioctl TUNSETQUEUE EINVAL': 'the queue is already attached or already detached, or the device was deleted',
  'ioctl TUNSETCARRIER EINVAL': 'this kernel has no TUNSETCARRIER, which came with Linux 5.0',
  'ioctl TUNSETSTEERINGEBPF EBADF': 'that file descriptor is not open',
  'ioctl TUNSETSTEERINGEBPF EINVAL': 'that file descriptor is not a loaded socket-filter program',
  'ioctl TUNSETFILTEREBPF EBADF': 'that file descriptor is not open',
  'ioctl TUNSETFILTEREBPF EINVAL': 'that file descriptor is not a loaded socket-filter program',
  'ioctl SIOCSIFHWADDR EADDRINUSE':
    'the lower device, or another link on it, has this MAC: choose another, for example with randomMac()',
  'bpf EPERM': () =>
    capabilityRemedy('loading a program', 'CAP_BPF', 'pass the descriptor of a loaded program'),
  'bpf E2BIG': 'without CAP_BPF a program has at most 4096 instructions',
  'bpf EACCES': "the kernel's verifier refuses the program",
  'bpf EINVAL': "the kernel's verifier refuses the program",
  'epoll_ctl EEXIST': 'something else in this thread polls the descriptor: stop that first',
  'fstat EBADF': 'that file descriptor is not open',
  'openat EBUSY': ({ interface: name }) => `${name} has 256 queues, the maximum: close one`,
  'open EBUSY': ({ interface: name }) => `${name} has 256 queues, the maximum: close one`,
  'open EACCES': ({ path = '' }) => noPermission(path),
  'open EPERM':
    "the container's device cgroup does not allow this device: give it to the container (docker: --device; Kubernetes: a device plugin)",
  'openat EPERM': ({ interface: name }) =>
    `the container's device cgroup does not allow the node of ${name}: give it to the container (docker: --device; Kubernetes: a device plugin)`,
  'open EEXIST': ({ path }) =>
    `${path} already exists: choose another name, or remove it (ip netns delete; rm if it is an empty file)`,
  'open ENOENT': ({ path }) =>
    path?.startsWith('/run/netns/')
      ? 'no namespace of that name: create it with createNetns() or ip netns add'
      : 'there is no such file',
  'fcntl F_DUPFD_CLOEXEC EBADF': 'that file descriptor is not open',
  'sendmsg EBADF': 'one of the descriptors is not open; nothing was sent',
  'sendmsg EPIPE':
    'the peer has closed its end, or called end() on it; data that it had sent can still be received',
  'sendmsg ECONNRESET': 'the peer has closed its end without receiving everything',
  'recvmsg ECONNRESET': 'the peer has closed its end without receiving everything',
  'sendmsg ETOOMANYREFS':
    'too many descriptors of this user were sent but not yet received: the limit is that of open ones (ulimit -n)',
  'connect ECONNREFUSED': 'no server listens there; one that was killed may have left the file behind',
  'connect ENOENT': 'there is no such socket: is the server running?',
  'connect EACCES':
    'no write permission on the socket, or a directory on the way to it is closed to this user',
  'connect EPROTOTYPE': 'it is a socket of another type, not a stream socket',
  'bind EADDRINUSE':
    'a server listens there, or a file of another kind has the name: choose another name, or remove the file if it is not needed',
  'bind EACCES': 'no permission to create a file in that directory',
  'bind ENOENT': 'the directory is missing',
  EMFILE: 'this process has reached its limit of open descriptors (ulimit -n): close some',
  'rtnetlink EADDRINUSE':
    'the lower device, or another link on it, has this MAC: choose another, for example with randomMac()',
  'rtnetlink RTM_SETLINK EADDRNOTAVAIL': 'a link cannot have a multicast or zero MAC',
  'rtnetlink EBUSY':
    'the kernel does not say why the lower device or the link is in use; often it is a bridge port (remove it from the bridge with master: null), or a passthru link has it exclusively, or it must be set down first',
  'rtnetlink EEXIST':
    'the name is taken, or there is a vxlan with this id: choose another, or remove it with links.remove()',
  'rtnetlink RTM_NEWLINK EINVAL':
    'the kernel does not say which value it refuses; often it is a loopback lower device, or an MTU out of the range of this kind of link',
  'rtnetlink RTM_SETLINK EINVAL':
    'the kernel does not say which value it refuses; often it is an MTU out of the range of this kind of link, or more than that of its lower device',
  'rtnetlink ELOOP': 'a bridge cannot be a port of another bridge, nor of a link on top of itself',
  'rtnetlink ENFILE': 'every number for %d in the name is taken: remove links, or choose another name',
  'rtnetlink ENODEV': 'no such link in that namespace: links.list() shows which exist',
  'rtnetlink ENOTSUP':
    'this kind of link does not support that, or the running kernel lacks the kind (load its module with modprobe)',
  'rtnetlink ERANGE': 'the value is out of the range of this kind of link',
  'rtnetlink RTM_DELADDR EADDRNOTAVAIL':
    'the link has no such address with this prefix length: links.addresses() shows which it has',
  'rtnetlink RTM_SETLINK ENOTSUP':
    'this kind of link does not support that, or the master is no bridge, nor another kind that takes members',
  'rtnetlink RTM_NEWADDR EADDRNOTAVAIL': 'a link takes no unspecified, multicast or loopback address of IPv6',
  'rtnetlink RTM_NEWADDR EEXIST': 'the link already has this address',
  'rtnetlink RTM_NEWADDR EACCES': 'IPv6 is disabled on the link (sysctl net.ipv6.conf.NAME.disable_ipv6)',
};

function noPermission(path: string): string {
  if (existsSync(path) && statSync(path).isCharacterDevice() && isOnNodevMount(path)) {
    return `${path} is on a file system that is mounted nodev, where no device can be opened: use a node in /dev, or mount it with dev`;
  }
  if (!path.startsWith('/dev/tap') || process.geteuid?.() === 0) return 'no permission on that file';
  return `no permission on ${path}: nodes of macvtap links belong to root; run as root, or have udev give it to this user`;
}

/**
 * The message of a failed system call: what failed, the kernel's own message, cause and remedy. `subject` is the file or
 * interface involved. The table knows what a code means in most cases only: where the kernel says what it means, or the
 * caller has found out, the table says nothing.
 */
export function explain(
  code: string,
  failure: Error,
  facts: TapfdErrorDetails,
  known?: string,
  subject?: string,
): string {
  const [family] = `${facts.syscall}`.split(' ');
  const usual = REMEDIES[`${facts.syscall} ${code}`] ?? REMEDIES[`${family} ${code}`] ?? REMEDIES[code];
  const fromTable = facts.detail ? undefined : typeof usual === 'function' ? usual(facts) : usual;
  const remedy = known ?? fromTable;
  const parts = [`${failure.message} (${subject === undefined ? code : `${code}, ${subject}`})`];
  if (facts.detail) parts.push(`kernel: ${facts.detail}`);
  if (remedy) parts.push(remedy);
  return parts.join('; ');
}

/**
 * A word of a command for a shell: names of links are chosen by others, and may be `$(reboot)`. Control characters are
 * written as bash, zsh and the newest sh read them.
 */
export function shellWord(text: string): string {
  if (/^[\w./:@%+=,][\w./:@%+=,-]*$/.test(text)) return text;
  if (!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/u.test(text))
    return `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const bytes = [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`);
  return `$'${bytes.join('')}'`;
}
