import { EventEmitter } from 'node:events';
import { isolated } from '../../base/isolated.js';

/** Emits an event. An exception of a listener stays uncaught, as it should, but does not interrupt the caller. */
export function emitApart(emitter: EventEmitter, name: string, ...args: unknown[]): void {
  isolated(() => EventEmitter.prototype.emit.call(emitter, name, ...args));
}
