/** Where peers come from: one is connected to, or they connect themselves. */
import { once } from 'node:events';
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { EXIT } from '../terminal/exit-codes.js';
import { CommandError, describeFailure } from '../terminal/failure.js';
import { type Address, formatAddress } from './address.js';

/** Gives one peer after the other. */
export interface Peers {
  /** @throws CommandError if none comes; the signal's reason. */
  next(signal: AbortSignal): Promise<Socket>;
  close(): Promise<void>;
}

/** A peer whose machine has gone says nothing any more: the kernel asks, so that its place is free again. */
const TCP = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000 } as const;

export function connectingTo(address: Address): Peers {
  return {
    next: async (signal) => {
      const socket = connectSocket('path' in address ? { path: address.path } : { ...address, ...TCP });
      try {
        await once(socket, 'connect', { signal });
        return socket;
      } catch (error) {
        socket.destroy();
        signal.throwIfAborted();
        throw new CommandError(
          `cannot connect to ${formatAddress(address)}: ${describeFailure(error)}; is the peer running?`,
          EXIT.peer,
        );
      }
    },
    close: async () => {},
  };
}

/** @param onRefused - Called when somebody connects while another peer is there. */
export async function listeningOn(address: Address, onRefused: () => void): Promise<Peers> {
  const waiting: ((socket: Socket) => void)[] = [];
  const server = createServer(TCP, (socket) => {
    const take = waiting.shift();
    if (take !== undefined) take(socket);
    else {
      socket.on('error', () => {});
      socket.destroy();
      onRefused();
    }
  });
  await listening(server, address);
  return {
    next: (signal) =>
      new Promise((resolve, reject) => {
        const giveUp = (): void => {
          waiting.length = 0;
          reject(signal.reason);
        };
        if (signal.aborted) return giveUp();
        signal.addEventListener('abort', giveUp, { once: true });
        waiting.push((socket) => {
          signal.removeEventListener('abort', giveUp);
          resolve(socket);
        });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}

async function listening(server: Server, address: Address): Promise<void> {
  server.listen('path' in address ? { path: address.path } : address);
  try {
    await once(server, 'listening');
  } catch (error) {
    const remedy =
      'path' in address
        ? 'a server is there, or a file that one has left: remove it, or choose another path'
        : 'choose another port, or an address of this machine';
    throw new CommandError(
      `cannot listen on ${formatAddress(address)}: ${describeFailure(error)}; ${remedy}`,
      EXIT.failed,
    );
  }
}
