/** Descriptors to and from programs that share no code with the library, and devices among them. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { adoptFd, FdSocket, openTap } from 'tapfd';
import { closeFd } from '#lib/fd-socket/fd-source.js';
import { EthernetHost } from '../../../examples/ethernet-host.ts';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { ownNamespace } from '../../kit/namespace.js';
import { openFiles, SOME_FILE, settledFiles, socketDirectory, withFile } from '../../kit/open-files.js';
import { python3 } from '../../kit/python-peer.js';

fileNeeds(t, 'python3');

t.test("Python's recv_fds", async (t) => {
  const before = openFiles();
  const peer = python3(
    t,
    `
data, fds, flags, _ = socket.recv_fds(peer, 1000, 253)
print(data.decode(), len(fds), flags, len({os.fstat(fd).st_ino for fd in fds}))
print(os.read(fds[0], 8).decode())
print(socket.recv_fds(peer, 1000, 253)[:2])
`,
  );
  await withFile((fd) => peer.socket.send('many', Array(253).fill(fd)));
  await peer.socket.end();
  const start = readFileSync(SOME_FILE, 'utf8');
  t.equal(await peer.output(), `many 253 0 1\n${start.slice(0, 8)}\n(b'', [])\n`);
  await peer.socket[Symbol.asyncDispose]();
  t.equal(await settledFiles(before), before);
});

t.test("Python's send_fds", async (t) => {
  const peer = python3(
    t,
    `
read, write = os.pipe()
socket.send_fds(peer, [b'one'], [read])
socket.send_fds(peer, [b'many'], [read] * 253)
os.write(write, b'through the pipe')
peer.shutdown(socket.SHUT_WR)
print(peer.recv(100).decode())
`,
  );
  const received: [string, number][] = [];
  for await (const message of peer.socket) {
    received.push([message.data.toString(), message.fds.length]);
    if (message.fds.length > 1) continue;
    for (const fd of message.takeFds()) {
      t.equal(
        readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')
          .match(/^flags:.*$/m)?.[0]
          .endsWith('2000000'),
        true,
      );
      await closeFd(fd);
    }
  }
  t.same(received, [
    ['one', 1],
    ['many', 253],
  ]);
  await peer.socket.send('thanks');
  t.equal(await peer.output(), 'thanks\n');
});

t.test('Python connects to a server by path and by abstract name, and the other way', async (t) => {
  const path = `${socketDirectory(t)}/server`;
  const name = `tapfd-${process.pid}-peers`;
  for (const [ours, theirs] of [
    [path, path],
    [`@${name}`, `\\0${name}`],
  ]) {
    await using server = await FdSocket.listen(ours);
    const peer = python3(
      t,
      `
other = socket.socket(socket.AF_UNIX)
other.connect('${theirs}')
socket.send_fds(other, [b'hello'], [0, 1])
print(other.recv(100).decode())
`,
    );
    await using socket = await server.accept();
    const message = await socket.receive();
    t.match(message, { data: Buffer.from('hello'), fds: { length: 2 } });
    t.match(socket.peer, { uid: process.getuid?.(), pid: Number });
    t.not(socket.peer.pid, process.pid);
    // One is the script's standard output, which must reach its end.
    await message?.close();
    await socket.send('welcome');
    t.equal(await peer.output(), 'welcome\n');
  }
  const peer = python3(
    t,
    `
server = socket.socket(socket.AF_UNIX)
server.bind('${path}')
server.listen()
peer.send(b'listening')
print(socket.recv_fds(server.accept()[0], 100, 10)[0].decode())
`,
  );
  await peer.socket.receive();
  await using socket = await FdSocket.connect(path);
  await socket.send('from Node', [0]);
  t.equal(await peer.output(), 'from Node\n');
});

t.test(
  'a TAP through another process: frames flow',
  { skip: needs('root', 'tun-device', 'ip', 'ping') },
  async (t) => {
    const ns = await ownNamespace(t);
    // Sends back what it gets, as a privileged program hands out what it has opened.
    const peer = python3(
      t,
      `
data, fds, _, _ = socket.recv_fds(peer, 100, 10)
socket.send_fds(peer, [data], fds)
`,
    );
    const tap = await openTap({
      netns: ns.name,
      name: 'sent',
      mac: '02:00:00:00:00:01',
      addresses: ['10.9.0.1/24'],
    });
    await peer.socket.send('tap', [tap]);
    await tap[Symbol.asyncDispose]();
    const message = await peer.socket.receive();
    await peer.output();
    const [fd] = message?.takeFds() ?? [];
    const adopted = await adoptFd(fd, { netns: ns.name });
    t.match(adopted, { kind: 'tap', name: 'sent' });
    const host = new EthernetHost(adopted, { mac: '52:54:00:00:00:02', address: '10.9.0.2' });
    t.equal(await ns.ping('10.9.0.2', 2), 2);
    t.equal(host.answered, 2);
    await adopted[Symbol.asyncDispose]();
    t.same(await ns.linkNames(), [], 'gone with its last descriptor');
  },
);
