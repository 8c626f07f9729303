/** Reading from and closing sockets that carry descriptors. */
import type { FdMessage, FdSocket } from 'tapfd';

export async function message(socket: FdSocket): Promise<FdMessage> {
  const received = await socket.receive();
  if (received === undefined) throw new Error('the stream has ended');
  return received;
}

export async function closeAll(...sockets: FdSocket[]): Promise<void> {
  await Promise.all(sockets.map((socket) => socket[Symbol.asyncDispose]()));
}

/** Everything that arrives until the end. */
export async function drain(socket: FdSocket): Promise<{ bytes: number; fds: number }> {
  let bytes = 0;
  let fds = 0;
  for await (const { data, fds: numbers } of socket) {
    bytes += data.length;
    fds += numbers.length;
  }
  return { bytes, fds };
}
