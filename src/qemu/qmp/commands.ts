/** The part of a client that operations on the monitor need: commands, events, and whether the connection is over. */
import type { AbortOptions } from '../../base/abort.js';
import type { FdSource } from '../../fd-socket/fd-source.js';
import type { QmpEvent } from './messages.js';

/** Options of `QmpClient.execute()`. */
export interface QmpExecuteOptions extends AbortOptions {
  /** Descriptors to send with the command (`getfd`, `add-fd`), or objects that hold one. They remain the caller's. */
  fds?: readonly FdSource[] | undefined;
}

/** Options of `QmpClient.waitForEvent()`. */
export interface QmpWaitOptions extends AbortOptions {
  /** Selects the event by its `data`. Default: the first event of that name. */
  where?: ((data: QmpEvent['data']) => boolean) | undefined;
}

/** Implemented by `QmpClient`, which documents the members. */
export interface QmpCommands {
  /** As `QmpClient.closed`. */
  readonly closed: boolean;
  /** As `QmpClient.execute()`. */
  execute(command: string, args?: object, options?: QmpExecuteOptions): Promise<unknown>;
  /** As `QmpClient.waitForEvent()`. */
  waitForEvent(name: string, options?: QmpWaitOptions): Promise<QmpEvent>;
}
