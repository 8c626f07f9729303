/** What work at the monitor needs of a connection: commands, events, and whether it is over. */
import type { AbortOptions } from '../../base/abort.js';
import type { FdSource } from '../../base/fd-source.js';
import type { QmpEvent } from './messages.js';

/** Options of `QmpClient.execute()`. */
export interface QmpExecuteOptions extends AbortOptions {
  /** Descriptors to send with the command (`getfd`, `add-fd`), or what holds one. They stay the caller's. */
  fds?: readonly FdSource[];
}

/** Options of `QmpClient.waitForEvent()`. */
export interface QmpWaitOptions extends AbortOptions {
  /** Which one is meant, by its `data`. Default: the first of that name. */
  where?: (data: QmpEvent['data']) => boolean;
}

/** Implemented by `QmpClient`, which says what each of these does. */
export interface QmpCommands {
  readonly destroyed: boolean;
  execute(command: string, args?: object, options?: QmpExecuteOptions): Promise<unknown>;
  waitForEvent(name: string, options?: QmpWaitOptions): Promise<QmpEvent>;
}
