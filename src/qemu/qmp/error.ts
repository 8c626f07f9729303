import { TapfdError } from '../../base/errors.js';

/** QEMU has refused a command. Nothing has changed in QEMU, except where its reference says otherwise. */
export class QmpError extends TapfdError {
  /** QEMU's class of the error: `GenericError` for most, `DeviceNotFound`, `CommandNotFound`, … */
  readonly qmpClass: string;
  /** The command that was refused. */
  readonly command: string;

  /** `text` is QEMU's own, also found in `detail`. */
  constructor(command: string, qmpClass: string, text: string) {
    super('ERR_TAPFD_QMP', `${command}: QEMU says: ${text} (${qmpClass})`, {
      detail: text,
      recoverable: true,
    });
    this.qmpClass = qmpClass;
    this.command = command;
  }
}

/** QEMU knows no card or backend of that id. */
export function isNotFound(error: unknown): boolean {
  return error instanceof QmpError && error.qmpClass === 'DeviceNotFound';
}
