import { EventEmitter } from 'node:events';

/** Emits an event. An exception of a listener stays uncaught, as it should, but does not interrupt the caller. */
export function emitApart(emitter: EventEmitter, name: string, ...args: unknown[]): void {
  try {
    EventEmitter.prototype.emit.call(emitter, name, ...args);
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
