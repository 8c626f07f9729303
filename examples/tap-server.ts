/**
 * Two processes: a privileged one that opens TAPs in a bridge and passes them to whoever may connect to its socket, and an
 * unprivileged one that uses them.
 *
 *     node tap-server.js serve /run/taps.sock br0 GROUP     GROUP: the gid that may connect
 *     node tap-server.js use /run/taps.sock ADDRESS         answers ARP and ping for ADDRESS
 *
 * The bridge is created if it does not exist.
 */

import { once } from 'node:events';
import { chown } from 'node:fs/promises';
import { adoptFd, FdSocket, links, openTap, TapfdError } from 'tapfd';
import { EthernetHost } from './ethernet-host.ts';

const [, , role, path = '/run/taps.sock', ...rest] = process.argv;
process.once('SIGTERM', () => process.exit(143));
if (role === 'serve') await serve(path, rest[0] ?? 'br0', Number(rest[1] ?? 0));
else if (role === 'use') await use(path, rest[0] ?? '10.77.0.2');
else throw new Error('usage: tap-server.js serve PATH BRIDGE GROUP | use PATH ADDRESS');

async function serve(path: string, bridge: string, group: number): Promise<void> {
  await links.get(bridge).catch((error: unknown) => {
    if (!(error instanceof TapfdError) || error.code !== 'ENODEV') throw error;
    return links.create({ kind: 'bridge', name: bridge, up: true });
  });
  // Until the file belongs to the group, only root may connect.
  const server = await FdSocket.listen(path, { mode: 0o660 });
  await chown(path, 0, group);
  console.log(`serving ${bridge} at ${path}`);
  for await (const client of server) {
    // One client's failure must not affect the next.
    await give(client, bridge).catch((error: unknown) => console.error(String(error)));
  }
}

async function give(client: FdSocket, bridge: string): Promise<void> {
  try {
    const tap = await openTap({ bridge });
    try {
      await client.send(tap.name, [tap]);
      console.log(`gave ${tap.name} to process ${client.peer.pid} of user ${client.peer.uid}`);
    } finally {
      // This closes only this process's copy: the device lives as long as the client's.
      await tap.close();
    }
  } finally {
    await client.close();
  }
}

async function use(path: string, address: string): Promise<void> {
  const socket = await FdSocket.connect(path);
  const message = await socket.receive();
  if (message === undefined) throw new Error('the server closed the connection without a message');
  const [fd] = message.takeFds();
  if (fd === undefined) throw new Error('the server sent no descriptor');
  await socket.close();
  const tap = await adoptFd(fd);
  const host = new EthernetHost(tap, { mac: '52:54:00:77:00:02', address });
  console.log(`user ${process.getuid?.()} answers for ${address} on ${tap.name}`);
  await once(tap, 'close');
  console.log(`${host.answered} pings answered`);
}
