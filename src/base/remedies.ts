/** Cause and remedy for each system call that fails in a known way. Text only: programs branch on codes. */
import type { TapfdErrorDetails } from './errors.js';

type Remedy = string | ((facts: TapfdErrorDetails) => string);

/**
 * Keyed by `syscall code` (`rtnetlink RTM_NEWLINK EEXIST`), then by the call's first word (`rtnetlink EEXIST`), then by
 * `code` alone for what means the same everywhere.
 */
const REMEDIES: Partial<Record<string, Remedy>> = {
  EPERM: 'the kernel refuses this without CAP_NET_ADMIN: run as root or in a user namespace of your own',
  'spawn ENOENT':
    'there is no such program (a plain name is looked up in PATH of options.env), or options.cwd is missing',
  'spawn EACCES':
    'the file is not an executable program, or a directory on the way to it is closed to this user',
  'spawn E2BIG': 'one argument or environment variable is too long, or all of them together are',
  'spawn EPERM': 'changing to options.uid or options.gid needs root',
  'setns EPERM': 'entering a network namespace needs CAP_SYS_ADMIN: run as root',
  'unshare EPERM': 'making a network namespace needs CAP_SYS_ADMIN: run as root',
  'unshare ENOSPC': 'there are as many network namespaces as the sysctl user.max_net_namespaces allows',
  'mount EPERM': 'mounting in /run/netns needs CAP_SYS_ADMIN: run as root',
  'umount2 EPERM': 'removing a network namespace needs CAP_SYS_ADMIN: run as root',
  'ioctl EBADFD': 'the device behind the descriptor was deleted: open it anew',
  'ioctl ENOLINK': 'the macvtap behind the descriptor was deleted: open it anew',
  'ioctl TUNGETIFF EBADFD':
    'the descriptor has no interface: it was never given one (TUNSETIFF), or its device was deleted',
  'ioctl TUNSETIFF EEXIST':
    'the descriptor has its interface already, and with it its vnet header or none: leave out vnetHeader, or open the device anew',
  'ioctl TUNSETQUEUE EINVAL':
    'the queue is attached already, or detached already, or the only one of a device opened without multiQueue: true, or the device was deleted',
  'ioctl TUNSETCARRIER EINVAL': 'this kernel has no TUNSETCARRIER (it came with Linux 5.0)',
  'ioctl TUNSETSTEERINGEBPF EBADF': 'that file descriptor is not open',
  'ioctl TUNSETSTEERINGEBPF EINVAL': 'that file descriptor is not a loaded socket-filter program',
  'ioctl TUNSETFILTEREBPF EBADF': 'that file descriptor is not open',
  'ioctl TUNSETFILTEREBPF EINVAL': 'that file descriptor is not a loaded socket-filter program',
  'ioctl SIOCSIFHWADDR EADDRINUSE':
    'the lower device, or another link on it, has this MAC: choose another, such as randomMac() makes',
  'bpf EPERM': 'loading a program needs CAP_BPF: run as root, or give the descriptor of a loaded program',
  'bpf EACCES': "the kernel's verifier refuses the program",
  'bpf EINVAL': "the kernel's verifier refuses the program",
  'epoll_ctl EEXIST': 'something else in this thread polls the descriptor: let go of it there first',
  'fstat EBADF': 'that file descriptor is not open',
  'openat EBUSY': ({ interface: name }) => `${name} has 256 queues, the most a device can have: close one`,
  'open EBUSY': ({ interface: name }) => `${name} has 256 queues, the most a device can have: close one`,
  'open EACCES': ({ path }) =>
    path?.startsWith('/dev/tap')
      ? `no permission on ${path}: nodes of macvtap links are root's; run as root, or have udev give it to this user`
      : 'no permission on that file',
  'open EPERM':
    "the container's device cgroup does not let this device be opened: give the container the device (docker: --device; Kubernetes: a device plugin)",
  'openat EPERM': ({ interface: name }) =>
    `the container's device cgroup does not let the node of ${name} be opened: give the container the device (docker: --device; Kubernetes: a device plugin)`,
  'open EEXIST': ({ path }) =>
    `${path} is there already: choose another name, or remove it (ip netns delete; rm when it is an empty file)`,
  'open ENOENT': ({ path }) =>
    path?.startsWith('/run/netns/')
      ? 'no namespace of that name: make it with createNetns() or ip netns add'
      : 'there is no such file',
  'fcntl F_DUPFD_CLOEXEC EBADF': 'that file descriptor is not open',
  'sendmsg EBADF': 'one of the descriptors is not open; nothing was sent',
  'sendmsg EPIPE':
    'the peer has closed its end, or end() was called on it; what it had sent can still be received',
  'sendmsg ECONNRESET': 'the peer has closed its end without receiving everything',
  'recvmsg ECONNRESET': 'the peer has closed its end without receiving everything',
  'sendmsg ETOOMANYREFS':
    'as many descriptors of this user are on their way, sent and not received, as it may have open (ulimit -n)',
  'connect ECONNREFUSED': 'nobody listens there; a server that was killed may have left the file',
  'connect ENOENT': 'there is no such socket: is the server running?',
  'connect EACCES':
    'no write permission on the socket, or a directory on the way to it is closed to this user',
  'connect EPROTOTYPE': 'it is a socket of another type, not a stream socket',
  'bind EADDRINUSE':
    'a server listens there, or a file of another kind has the name: choose another, or remove the file if it is not needed',
  'bind EACCES': 'no permission to make a file in that directory',
  'bind ENOENT': 'the directory is missing',
  EMFILE: 'this process has as many descriptors as it may (ulimit -n): close some',
  'rtnetlink EADDRINUSE':
    'the lower device, or another link on it, has this MAC: choose another, such as randomMac() makes',
  'rtnetlink EADDRNOTAVAIL': 'a link cannot have a multicast or zero MAC',
  'rtnetlink EBUSY':
    'the lower device or the link is taken: it is a bridge port (take it out with master: null), or a passthru link has it to itself, or it must be set down first',
  'rtnetlink EEXIST':
    'the name is taken, or a vxlan of this id is there: choose another, or links.remove() it',
  'rtnetlink EINVAL':
    'a value this kind of link cannot have: a loopback lower device, an MTU out of its range, a change of mode from or to passthru',
  'rtnetlink ELOOP': 'a bridge cannot be a port of a bridge, nor of what sits on it',
  'rtnetlink ENFILE': 'every number of the name is taken: remove links, or choose another name',
  'rtnetlink ENODEV': 'no such link in that namespace: links.list() tells which there are',
  'rtnetlink ENOTSUP':
    'this kind of link has no such thing, or the running kernel lacks the kind (modprobe it)',
  'rtnetlink ERANGE': 'the value is out of the range of this kind of link',
  'rtnetlink RTM_DELADDR EADDRNOTAVAIL':
    'the link has no such address with this prefix length: links.addresses() tells which it has',
  'rtnetlink RTM_NEWADDR EEXIST': 'the link has this address already',
  'rtnetlink RTM_NEWADDR EACCES': 'IPv6 is disabled on the link (sysctl net.ipv6.conf.NAME.disable_ipv6)',
};

/**
 * The message of a failed system call: what failed, the kernel's own words, cause and remedy. `subject` is the file or
 * interface concerned.
 */
export function explain(
  code: string,
  failure: Error,
  facts: TapfdErrorDetails,
  known?: string,
  subject?: string,
): string {
  const [family] = `${facts.syscall}`.split(' ');
  const remedy =
    known ?? REMEDIES[`${facts.syscall} ${code}`] ?? REMEDIES[`${family} ${code}`] ?? REMEDIES[code];
  const parts = [`${failure.message} (${subject === undefined ? code : `${code}, ${subject}`})`];
  if (facts.detail) parts.push(`kernel: ${facts.detail}`);
  if (remedy) parts.push(typeof remedy === 'string' ? remedy : remedy(facts));
  return parts.join('; ');
}
