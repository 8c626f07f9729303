import { EventEmitter } from 'node:events';

/** Emits so that a listener's exception is uncaught, as it should be, but does not break into what the emitter is at. */
export function emitApart(emitter: EventEmitter, name: string, ...args: unknown[]): void {
  try {
    EventEmitter.prototype.emit.call(emitter, name, ...args);
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
