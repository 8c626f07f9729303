/** Reading QEMU's answers: the other end may be anything that speaks the protocol. */
import { inspect } from 'node:util';
import { TapfdError } from '../../base/errors.js';

/** Of a value that may be nested without limit. */
const SHOWN_DEPTH = 1;
const SHOWN_CHARACTERS = 80;

/** The error when the answer to a command is not what QEMU would say. */
export function notWhatQemuSays(command: string, answer: unknown): TapfdError {
  const shown = inspect(answer, { depth: SHOWN_DEPTH, breakLength: Number.POSITIVE_INFINITY });
  const cut = shown.length > SHOWN_CHARACTERS ? `${shown.slice(0, SHOWN_CHARACTERS)}…` : shown;
  return new TapfdError('ERR_TAPFD_QMP_PROTOCOL', `${command}: the answer is not one of QEMU: ${cut}`);
}

export function checkedBoolean(command: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw notWhatQemuSays(command, value);
  return value;
}

/** A number of a descriptor or of a set. */
export function checkedNumber(command: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw notWhatQemuSays(command, value);
  }
  return value;
}

export function checkedList(command: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw notWhatQemuSays(command, value);
  return value;
}
