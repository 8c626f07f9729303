/** Writes QEMU's `-netdev` and `-device` option strings, so that no value can end early and start another option. */
import { checkObject, isSystemText } from '../../base/checks.js';
import { invalidArgument } from '../../base/errors.js';

/** The value of an option or property. `true` and `false` are written `on` and `off`. */
export type QemuOptionValue = string | number | boolean;

/** One `key=value`, in the order in which it is written. */
export type QemuOption = readonly [key: string, value: QemuOptionValue];

/** As in QEMU's `util/id.c` id_wellformed(): letters, digits, `-`, `.`, `_`, a letter first. */
const ID = /^[A-Za-z][A-Za-z0-9._-]*$/;

/** The names of QOM properties (`x-…`, `disable-legacy`, `event_idx`); `util/keyval.c` allows 127 characters. */
const KEY = /^[A-Za-z_][A-Za-z0-9._-]{0,126}$/;

export function checkQemuId(argument: string, value: unknown): string {
  if (typeof value !== 'string' || !ID.test(value)) {
    throw invalidArgument(argument, 'a QEMU id: letters, digits, "-", "." and "_", a letter first', value);
  }
  return value;
}

/** The caller's options as a list, without those in `reserved`, which the library writes itself. */
export function checkOptions(argument: string, options: unknown, reserved: readonly string[]): QemuOption[] {
  return Object.entries(checkObject(argument, options)).map(([key, value]: [string, unknown]) => {
    if (!KEY.test(key)) throw invalidArgument(argument, 'an object whose keys are QEMU property names', key);
    if (reserved.includes(key)) {
      throw invalidArgument(
        argument,
        `an object without ${reserved.join(', ')}, which the nic itself sets`,
        key,
      );
    }
    return [key, checkOptionValue(`${argument}.${key}`, value)];
  });
}

function checkOptionValue(argument: string, value: unknown): QemuOptionValue {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (isSystemText(value)) return value;
  throw invalidArgument(argument, 'a string without NUL, a finite number or a boolean', value);
}

/** Text for one option: anything that a program's argument can hold. */
export function checkText(argument: string, value: unknown): string {
  if (!isSystemText(value)) throw invalidArgument(argument, 'a string without NUL', value);
  return value;
}

/** `tap,id=n0,fd=3`. In QEMU's syntax a comma ends a value, and two commas stand for one. */
export function formatOptions(first: string, options: readonly QemuOption[]): string {
  return [first, ...options.map(([key, value]) => `${key}=${formatValue(value)}`)].join(',');
}

function formatValue(value: QemuOptionValue): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return String(value).replaceAll(',', ',,');
}
