/** Connecting to a server's socket. */
import { setTimeout as delay } from 'node:timers/promises';
import { type AbortOptions, signalOf, untilAborted } from '../base/abort.js';
import { TapfdError } from '../base/errors.js';
import { native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import type { NativeFdSocket } from '../base/native-fd-socket.js';
import { checkSocketAddress } from './address.js';

/** How long to wait where the server's queue is full; the kernel has no event for it. */
const RETRY_MS = 20;

/** Connects, and tries again while the server's queue is full. */
export async function connectForFds(address: string, options: AbortOptions): Promise<NativeFdSocket> {
  const checked = checkSocketAddress('address', address);
  const signal = signalOf('FdSocket.connect', options);
  for (;;) {
    signal?.throwIfAborted();
    const socket = await tryConnect(checked, address);
    if (signal?.aborted) await socket?.close();
    signal?.throwIfAborted();
    if (socket !== undefined) return socket;
    await untilAborted(signal, delay(RETRY_MS));
  }
}

/** undefined: the server's queue is full. */
async function tryConnect(address: string, path: string): Promise<NativeFdSocket | undefined> {
  try {
    return await nativeCall({ operation: 'connect', path }, () => native().connectUnix(address));
  } catch (error) {
    if (error instanceof TapfdError && error.code === 'EAGAIN') return undefined;
    throw error;
  }
}
