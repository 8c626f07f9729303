/** `tapfd relay`: QEMU, passt, VPNKit's protocol, and peers that mean no good. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { FrameDecoder, FrameEncoder } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { startTapfd, tapfd } from '../../kit/command.js';
import { ownNamespace, quietNamespace, type TestNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'netns', 'ip', 'ping');

const HOST = 'address=10.9.0.1/24,mac=02:00:00:00:00:01';
/** A frame to the TAP, which the host ignores: an experimental EtherType. */
const FRAME = Buffer.from(`02000000000102000000000288b5${'00'.repeat(46)}`, 'hex');

let made = 0;

function socketPath(t: Test): string {
  made += 1;
  const path = join(tmpdir(), `tapfd-relay-${process.pid}-${made}.sock`);
  t.teardown(() => rmSync(path, { force: true }));
  return path;
}

async function serverAt(t: Test, path: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(path);
  await once(server, 'listening');
  t.teardown(() => server.close());
  return server;
}

async function connected(server: Server): Promise<Socket> {
  const [socket]: Socket[] = await once(server, 'connection');
  if (socket === undefined) throw new Error('no socket');
  return socket.on('error', () => undefined);
}

async function ask(ns: TestNamespace): Promise<void> {
  await ns.exec('ping', '-c', '1', '-W', '0.1', '10.9.0.2').catch(() => undefined);
}

/** How many frames the TAP has received from the peer. */
async function received(ns: TestNamespace, name: string): Promise<number> {
  return Number(await ns.sysfs(name, 'statistics/rx_packets'));
}

t.test('frames both ways, until the peer closes', async (t) => {
  const ns = await quietNamespace(t);
  const path = socketPath(t);
  const server = await serverAt(t, path);
  const relay = startTapfd(['relay', '--tap', `t0,${HOST}`, '--connect', path], { ns });
  const peer = await connected(server);
  const frames = peer.pipe(new FrameDecoder());
  const asked = ask(ns);
  const [request] = await once(frames, 'data');
  t.match(
    request.toString('hex'),
    /^ffffffffffff020000000001080600010800060400010200000000010a0900010000000000000a090002/,
  );
  await asked;
  const encoder = new FrameEncoder();
  encoder.pipe(peer);
  for (let i = 0; i < 300; i++) encoder.write(FRAME);
  // One that the device refuses is counted.
  encoder.write(Buffer.alloc(5));
  while ((await received(ns, 't0')) < 300);
  encoder.end();
  const { code, errors } = await relay.ended;
  t.equal(code, 0, errors);
  t.match(errors, /t0 \(02:00:00:00:00:01\) connects to unix:/);
  t.match(errors, 'the peer has closed the connection');
  t.match(errors, /300 from it, 0 dropped, 1 refused/);
});

t.test('peers that break the protocol', async (t) => {
  const ns = await quietNamespace(t);
  const path = socketPath(t);
  const server = await serverAt(t, path);
  const lie = async (bytes: Buffer, message: RegExp, framing = 'qemu') => {
    const relay = startTapfd(['relay', '--tap', '--connect', path, '--framing', framing], { ns });
    const peer = await connected(server);
    peer.resume().end(bytes);
    const { code, errors } = await relay.ended;
    t.equal(code, 5, errors);
    t.match(errors, message);
    peer.destroy();
  };
  await lie(Buffer.from('ffffffff', 'hex'), /ERR_TAPFD_FRAMING/);
  await lie(Buffer.from('00000000', 'hex'), /a frame of 0 bytes/);
  await lie(Buffer.from('0000006401', 'hex'), /ended after 1 bytes of a frame of 100/);
  await lie(Buffer.from('0000', 'hex'), /a frame of 0 bytes/, 'bare16');
  await lie(Buffer.from('nonsense'.repeat(10)), /does not answer as VPNKit/, 'vpnkit');
  await lie(Buffer.from('VMN3T'), /went away within its greeting/, 'vpnkit');
  await lie(Buffer.concat([Buffer.from('VMN3T'), Buffer.alloc(44 + 258)]), /gives no network card/, 'vpnkit');
  t.same(await ns.linkNames(), []);
});

t.test('VPNKit: a greeting, then two bytes before each frame', async (t) => {
  const ns = await quietNamespace(t);
  const path = socketPath(t);
  const server = await serverAt(t, path);
  const relay = startTapfd(
    ['relay', '--tap', `t0,${HOST}`, '--connect', `unix:${path}`, '--framing', 'vpnkit'],
    {
      ns,
    },
  );
  const peer = await connected(server);
  const take = async (bytes: number): Promise<Buffer> => {
    for (;;) {
      const taken: Buffer | null = peer.read(bytes);
      if (taken !== null) return taken;
      await once(peer, 'readable');
    }
  };
  const init = await take(49);
  t.equal(init.toString('latin1', 0, 5), 'VMN3T');
  t.equal(init.readUInt32LE(5), 22);
  peer.write(init);
  const request = await take(41);
  t.equal(request[0], 1);
  t.match(request.toString('latin1', 1, 37), /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
  const answer = Buffer.alloc(258);
  answer[0] = 1;
  answer.writeUInt16LE(1500, 1);
  Buffer.from('020000000009', 'hex').copy(answer, 5);
  // In two pieces.
  peer.write(answer.subarray(0, 100));
  // A frame right behind it.
  peer.write(Buffer.concat([answer.subarray(100), Buffer.from([FRAME.length, 0]), FRAME]));
  await relay.printed('MAC 02:00:00:00:00:09, MTU 1500');
  while ((await received(ns, 't0')) === 0);
  const asked = ask(ns);
  t.equal((await take(2)).readUInt16LE(0), 42, 'an ARP request');
  t.match((await take(42)).toString('hex'), /^ffffffffffff0200000000010806/);
  await asked;
  relay.kill('SIGTERM');
  t.equal((await relay.ended).code, 0);
  peer.destroy();
});

t.test('a peer that reads nothing costs no memory and stops nothing', async (t) => {
  const ns = await quietNamespace(t);
  const path = socketPath(t);
  const server = await serverAt(t, path);
  const relay = startTapfd(['relay', '--tap', `t0,${HOST}`, '--connect', path], { ns });
  const peer = await connected(server);
  await ns.ip('neigh', 'add', '10.9.0.2', 'lladdr', '02:00:00:00:00:02', 'dev', 't0');
  // More than the socket and the TAP's queue hold: the kernel drops the rest.
  while (Number(await ns.sysfs('t0', 'statistics/tx_dropped')) === 0) {
    await ns
      .exec('ping', '-q', '-f', '-c', '2000', '-s', '1400', '-W', '0.1', '10.9.0.2')
      .catch(() => undefined);
  }
  peer.resume();
  relay.kill('SIGTERM');
  const { code, errors } = await relay.ended;
  t.equal(code, 0, errors);
  peer.destroy();
});

t.test('without a peer: an exit code, or another attempt', async (t) => {
  const ns = await quietNamespace(t);
  const path = socketPath(t);
  const refused = await tapfd(['relay', '--tap', '--connect', path, '-q'], { ns });
  t.equal(refused.code, 5);
  t.match(refused.errors, /^tapfd relay: cannot connect to unix:.*ENOENT.*; is the peer running\?\n$/);
  const relay = startTapfd(['relay', '--tap', HOST, '--connect', path, '--reconnect', '0.1'], { ns });
  await relay.printed('is the peer running?');
  await ask(ns);
  const server = await serverAt(t, path);
  const first = await connected(server);
  first.end(Buffer.from('ffffffff', 'hex'));
  const second = await connected(server);
  await relay.printed('ERR_TAPFD_FRAMING');
  second.end();
  const third = await connected(server);
  await relay.printed('the peer has closed the connection');
  first.destroy();
  second.destroy();
  relay.kill('SIGINT');
  const { code, errors } = await relay.ended;
  t.equal(code, 0);
  t.equal(errors.match(/is the peer running/g)?.length, 1, 'said once');
  t.notMatch(errors, ' 0 dropped');
  third.destroy();
});

t.test('listening: one peer at a time, on TCP, too', async (t) => {
  const ns = await ownNamespace(t);
  // A peer that goes with unread frames resets the connection: no host speaks here by itself.
  const quiet = await quietNamespace(t);
  const path = socketPath(t);
  const relay = startTapfd(['relay', '--tap', '--listen', `unix:${path}`], { ns });
  await relay.printed('waits on');
  const one = connect(path).on('error', () => undefined);
  await relay.printed('connected');
  const two = connect(path).on('error', () => undefined);
  await once(two, 'close');
  await relay.printed('refused another peer');
  one.end();
  t.equal((await relay.ended).code, 0);
  const taken = await serverAt(t, path);
  const busy = await tapfd(['relay', '--tap', '--listen', path], { ns });
  t.equal(busy.code, 1);
  t.match(busy.errors, /EADDRINUSE.*remove it/);
  taken.close();
  for (const one of [ns, quiet]) await one.ip('link', 'set', 'lo', 'up');
  const tcp = startTapfd(['relay', '--tap', '--listen', '[::1]:7000', '--reconnect'], { ns });
  const v4 = startTapfd(['relay', '--tap', '--listen', '127.0.0.1:7001'], { ns: quiet });
  await Promise.all([tcp.printed('waits on [::1]:7000'), v4.printed('waits on 127.0.0.1:7001')]);
  const joined = startTapfd(['relay', '--tap', '--connect', '127.0.0.1:7001'], { ns: quiet });
  await Promise.all([v4.printed('connected'), joined.printed('connected')]);
  joined.kill('SIGTERM');
  t.equal((await v4.ended).code, 0);
  const elsewhere = await tapfd(['relay', '--tap', '--listen', '192.0.2.1:7000'], { ns });
  t.match(elsewhere.errors, /EADDRNOTAVAIL.*an address of this machine/);
  tcp.kill('SIGTERM');
  t.equal((await tcp.ended).code, 0, 'while it waits');
  await joined.ended;
});

t.test('a peer that comes back at once is taken at once', async (t) => {
  const ns = await quietNamespace(t);
  const path = socketPath(t);
  const args = ['relay', '--tap', '--listen', path, '--reconnect', '3600'];
  const relay = startTapfd(args, { ns });
  await relay.printed('waits on');
  for (const bytes of ['', 'ffffffff', '']) {
    const peer = connect(path);
    peer.end(Buffer.from(bytes, 'hex')).resume();
    await once(peer, 'close');
  }
  relay.kill('SIGTERM');
  const { code, errors } = await relay.ended;
  t.equal(code, 0);
  t.equal(errors.match(/^tapfd relay: connected$/gm)?.length, 3, errors);
  t.notMatch(errors, 'refused another');
});

t.test('a device that is deleted ends it', async (t) => {
  const ns = await quietNamespace(t);
  const path = socketPath(t);
  const relay = startTapfd(['relay', '--tun', 'u0', '--listen', path], { ns });
  await relay.printed('u0 waits on');
  await ns.ip('link', 'delete', 'u0');
  const { code, errors } = await relay.ended;
  t.equal(code, 1);
  t.match(errors, 'ERR_TAPFD_DEVICE_GONE');
});

t.test("QEMU's stream netdev", { skip: needs('qemu') }, async (t) => {
  const ns = await quietNamespace(t);
  const path = socketPath(t);
  const relay = startTapfd(['relay', '--tap', `t0,${HOST}`, '--listen', `unix:${path}`], { ns });
  await relay.printed('waits on');
  // Its firmware asks for an address.
  const machine = ['-M', 'pc,accel=tcg', '-nodefaults', '-display', 'none', '-boot', 'n'];
  const netdev = [
    '-netdev',
    `stream,id=n0,addr.type=unix,addr.path=${path},server=off`,
    '-device',
    'virtio-net-pci,netdev=n0',
  ];
  const qemu = spawn('qemu-system-x86_64', [...machine, ...netdev], { stdio: 'ignore' });
  t.teardown(() => qemu.kill('SIGKILL'));
  while ((await received(ns, 't0')) === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  qemu.kill('SIGKILL');
  const { code, errors } = await relay.ended;
  t.equal(code, 0, errors);
  t.match(errors, /[1-9]\d* from it/);
});

t.test('passt, which connects the TAP to the world', { skip: needs('passt') }, async (t) => {
  const ns = await quietNamespace(t);
  const world = await quietNamespace(t);
  await world.ip('link', 'set', 'lo', 'up');
  await world.bridge('world');
  await world.ip('address', 'add', '198.51.100.1/24', 'dev', 'world');
  const path = socketPath(t);
  const address = [
    '--ipv4-only',
    '--address',
    '198.51.100.10',
    '--gateway',
    '198.51.100.1',
    '--interface',
    'world',
  ];
  const passt = spawn(
    'ip',
    [
      'netns',
      'exec',
      world.name,
      'passt',
      '--foreground',
      '--quiet',
      '--runas',
      '0',
      ...address,
      '--socket',
      path,
    ],
    {
      stdio: 'ignore',
    },
  );
  const gone = once(passt, 'exit');
  t.teardown(async () => {
    passt.kill('SIGKILL');
    await gone;
  });
  const relay = startTapfd(
    ['relay', '--tap', 't0,address=198.51.100.10/24', '--connect', path, '--reconnect', '0.1'],
    { ns },
  );
  await relay.printed('connected');
  // It answers for its gateway, and for DHCP and TCP: see test/guest/passt.test.ts.
  await ns.ping('198.51.100.1');
  t.match(await ns.ip('neigh', 'show', '198.51.100.1'), /lladdr/);
  relay.kill('SIGTERM');
  const { code, errors } = await relay.ended;
  t.equal(code, 0);
  t.match(errors, /[1-9]\d* frames to the peer, [1-9]\d* from it/);
});
