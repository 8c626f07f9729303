/**
 * Two WireGuard tunnels on descriptors opened here: wireguard-go takes an open TUN from `WG_TUN_FD` instead of creating
 * one. Each end is in its own network namespace, with a wire between them; a ping through the tunnel shows that both
 * programs read and write the TUNs that JavaScript opened. Everything is removed at the end.
 *
 *     node wireguard.js
 *
 * Needs wireguard-go, and `wg` from wireguard-tools.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createNetns, links, type Netns, openTun } from 'tapfd';
import { spawnWithFds } from 'tapfd/qemu';

/** wireguard-go needs 80 of the 1500 bytes for its own headers. */
const TUNNEL_MTU = 1420;
const PORT = 51820;

/** One end of the tunnel. */
export interface WireguardEnd {
  netns: Netns;
  /** Its TUN. `wg` finds the tunnel by this name wherever it runs, so it must be the only one on the machine. */
  tun: string;
  /** Address on the wire, and inside the tunnel. */
  outer: string;
  inner: string;
}

/** A running end. */
export interface RunningTunnel {
  /** wireguard-go. */
  process: ChildProcess;
  publicKey: string;
}

/** Opens the TUN and starts wireguard-go on it. */
export async function startTunnel(end: WireguardEnd, privateKey: string): Promise<RunningTunnel> {
  const tun = await openTun({
    netns: end.netns.name,
    name: end.tun,
    addresses: [`${end.inner}/24`],
    mtu: TUNNEL_MTU,
    // wireguard-go expects the kernel's 4 bytes in front of each packet.
    packetInfo: true,
  });
  const fd = tun.handOff();
  let child: ChildProcess | undefined;
  try {
    // It asks the kernel for the MTU by name, so it must run in the TUN's namespace.
    child = await spawnWithFds(
      'nsenter',
      [`--net=${end.netns.path}`, 'wireguard-go', '--foreground', end.tun],
      [fd],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, WG_TUN_FD: '3', LOG_LEVEL: 'verbose' } },
    );
    // It must not outlive this process, which created its namespace.
    const kill = (): unknown => child?.kill('SIGTERM');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    await untilListening(child);
    // `wg` reopens /dev/stdin, which works with a pipe, but not with the socket that Node provides: hence `cat`.
    const set = `cat | wg set ${end.tun} listen-port ${PORT} private-key /dev/stdin`;
    await run(end.netns, 'sh', ['-c', set], privateKey);
    return { process: child, publicKey: await run(end.netns, 'wg', ['pubkey'], privateKey) };
  } catch (error) {
    child?.kill('SIGTERM');
    throw error;
  } finally {
    closeSync(fd); // wireguard-go has its own
  }
}

/** Makes the other end a peer: only packets with its key, and from its address, are let through. */
export async function addPeer(end: WireguardEnd, other: WireguardEnd, otherKey: string): Promise<void> {
  const peer = ['peer', otherKey, 'allowed-ips', `${other.inner}/32`, 'endpoint', `${other.outer}:${PORT}`];
  await run(end.netns, 'wg', ['set', end.tun, ...peer]);
}

/** Ends wireguard-go, which takes the TUN with it. */
export async function stopTunnel({ process: child }: RunningTunnel): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** Waits for the message that `wg` can connect to wireguard-go. */
async function untilListening(child: ChildProcess): Promise<void> {
  let said = '';
  await new Promise<void>((resolve, reject) => {
    const listen = (text: string): void => {
      said += text;
      if (said.includes('UAPI listener started')) resolve();
    };
    child.stdout?.setEncoding('utf8').on('data', listen);
    child.stderr?.setEncoding('utf8').on('data', listen);
    child.once('close', (code) => reject(new Error(`wireguard-go exited with ${code}: ${said}`)));
  });
}

/** Runs a program in the namespace until it exits, and returns its output. */
export async function run(netns: Netns, command: string, args: string[], input = ''): Promise<string> {
  const child = netns.spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin?.on('error', () => {}); // a program that reads no input; its status says the rest
  child.stdin?.end(input);
  const [output, [status]] = await Promise.all([
    child.stdout?.setEncoding('utf8').toArray() ?? [],
    once(child, 'exit'),
  ]);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with status ${status}`);
  return output.join('').trim();
}

/** Sets up both ends on one wire, starts the tunnels, runs `work`, and removes everything. */
export async function withTunnels(
  work: (ends: [WireguardEnd, WireguardEnd], tunnels: [RunningTunnel, RunningTunnel]) => Promise<void>,
): Promise<void> {
  await using left = await createNetns();
  await using right = await createNetns();
  const ends: [WireguardEnd, WireguardEnd] = [
    { netns: left, tun: `wgl${process.pid}`, outer: '192.0.2.1', inner: '10.88.0.1' },
    { netns: right, tun: `wgr${process.pid}`, outer: '192.0.2.2', inner: '10.88.0.2' },
  ];
  const far = { name: 'wire', netns: right.name };
  await links.create({ kind: 'veth', name: 'wire', peer: far, netns: left.name });
  for (const { netns, outer } of ends) {
    await links.addAddress('wire', `${outer}/24`, { netns: netns.name });
    await links.set('wire', { up: true, netns: netns.name });
  }
  const running: RunningTunnel[] = [];
  try {
    const key = (): Promise<string> => run(left, 'wg', ['genkey']);
    const a = await startTunnel(ends[0], await key());
    running.push(a);
    const b = await startTunnel(ends[1], await key());
    running.push(b);
    await addPeer(ends[0], ends[1], b.publicKey);
    await addPeer(ends[1], ends[0], a.publicKey);
    await work(ends, [a, b]);
  } finally {
    for (const tunnel of running) await stopTunnel(tunnel);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await withTunnels(async ([a, b]) => {
    console.log(await run(a.netns, 'ping', ['-n', '-c', '3', '-i', '0.2', '-W', '10', b.inner]));
    console.log(await run(b.netns, 'ping', ['-n', '-c', '3', '-i', '0.2', '-W', '10', a.inner]));
    console.log(await run(a.netns, 'wg', ['show', a.tun]));
  });
}
