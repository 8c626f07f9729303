import { TapfdError } from '../../base/errors.js';

/** QEMU has refused a command. Nothing has changed in QEMU, unless its reference says otherwise. */
export class QmpError extends TapfdError {
  /** QEMU's class of the error: mostly `GenericError`; also `DeviceNotFound`, `CommandNotFound`, … */
  readonly qmpClass: string;
  /** The command that was refused. */
  readonly command: string;

  /** `text` is QEMU's own message, which is also in `detail`. */
  constructor(command: string, qmpClass: string, text: string) {
    super('ERR_TAPFD_QMP', `${command}: QEMU says: ${text} (${qmpClass})`, {
      detail: text,
      recoverable: true,
    });
    this.qmpClass = qmpClass;
    this.command = command;
  }
}

/** QEMU has no card or backend with that id. */
export function isNotFound(error: unknown): boolean {
  return error instanceof QmpError && error.qmpClass === 'DeviceNotFound';
}
