/** What all opening calls have in common: namespace, watch, abort, and leaving nothing behind if they fail. */

import { untilAborted } from '../base/abort.js';
import type { NamespaceHandle } from '../base/native-links.js';
import type { NativeOpened } from '../base/native-queue.js';
import type { OpenedDevice } from '../descriptor/device-handle.js';
import { provideBurstMemory } from '../frames/slab.js';
import { type NetnsLike, openNetns } from '../links/namespace.js';
import { LinkWatch } from '../links/watch.js';

/** Where to open, and what aborts it. */
export interface OpenPlace {
  netns: NetnsLike | undefined;
  signal: AbortSignal | undefined;
}

export interface OpenSteps {
  /** Everything that is undone when the queue is closed. */
  open: (ns: NamespaceHandle) => Promise<NativeOpened>;
  /** What outlives the queue, and so comes last, when the open can no longer be aborted. */
  finish?: ((opened: NativeOpened) => Promise<void>) | undefined;
  /** Undoes `open`. Default: closes the queue, which takes back what it changed. */
  undo?: ((opened: NativeOpened) => Promise<void>) | undefined;
}

/** An abort is answered at once: the watch that comes too late is released. */
async function acquireWatch(
  netns: NetnsLike | undefined,
  signal: AbortSignal | undefined,
): Promise<LinkWatch> {
  const acquiring = openNetns('netns', netns).then((ns) => LinkWatch.acquire(ns));
  try {
    return await untilAborted(signal, acquiring);
  } catch (error) {
    acquiring.then(
      (watch) => watch.release(),
      () => undefined,
    );
    throw error;
  }
}

/**
 * Opens in the given namespace. The watch starts first, so that no change of the link after the open is missed.
 *
 * The kernel's part cannot be interrupted. If it is aborted, the open is undone as soon as it has ended, and only then does
 * the promise reject: nothing is left behind.
 */
export async function openDevice(
  { netns, signal }: OpenPlace,
  { open, finish, undo = ({ queue }) => queue.close() }: OpenSteps,
): Promise<Pick<OpenedDevice, 'opened' | 'watch' | 'signal'>> {
  signal?.throwIfAborted();
  const watch = await acquireWatch(netns, signal);
  try {
    signal?.throwIfAborted();
    provideBurstMemory();
    const opened = await open(watch.ns);
    try {
      signal?.throwIfAborted();
      await finish?.(opened);
      opened.queue.keepChanges();
      return { opened, watch, signal };
    } catch (error) {
      await undo(opened);
      throw error;
    }
  } catch (error) {
    watch.release();
    throw error;
  }
}
