/** The frame of every opening call: namespace, watch, abort, and nothing left behind when it fails. */

import type { NamespaceHandle } from '../base/native-links.js';
import type { NativeOpened } from '../base/native-queue.js';
import type { OpenedDevice } from '../descriptor/device-handle.js';
import { type NetnsLike, openNetns } from '../links/namespace.js';
import { LinkWatch } from '../links/watch.js';

/** What the caller's options say about where and how long. */
export interface OpenPlace {
  netns: NetnsLike | undefined;
  signal: AbortSignal | undefined;
}

export interface OpenSteps {
  /** Everything that goes away when the queue is closed. */
  open: (ns: NamespaceHandle) => Promise<NativeOpened>;
  /** What outlives the queue, and so comes last, when nobody can call the open off any more. */
  finish?: (opened: NativeOpened) => Promise<void>;
  /** Takes back `open`. Default: closes the queue. */
  undo?: (opened: NativeOpened) => Promise<void>;
}

/**
 * Opens in the wanted namespace. The watch begins first, so that no change of the link is missed between the open and
 * the first look at it.
 *
 * The kernel's part cannot be interrupted. An open that is aborted meanwhile is taken back when it has come to its
 * end, and only then does the promise reject: nothing is left then.
 */
export async function openDevice(
  { netns, signal }: OpenPlace,
  { open, finish, undo = ({ queue }) => queue.close() }: OpenSteps,
): Promise<Pick<OpenedDevice, 'opened' | 'watch'>> {
  signal?.throwIfAborted();
  const watch = await LinkWatch.acquire(await openNetns('netns', netns));
  try {
    signal?.throwIfAborted();
    const opened = await open(watch.ns);
    try {
      signal?.throwIfAborted();
      await finish?.(opened);
      return { opened, watch };
    } catch (error) {
      await undo(opened);
      throw error;
    }
  } catch (error) {
    watch.release();
    throw error;
  }
}
