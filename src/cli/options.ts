/** Options that several commands have, and the ends of their help. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { KEYS } from './device/keys.js';
import { type DeviceText, keysOf } from './device/spec.js';
import { columns } from './terminal/text.js';

const KINDS = ['tap', 'tun', 'macvtap'] as const;

/**
 * Adds `--tap`, `--tun` and `--macvtap`.
 *
 * @returns What was given of them, in order, once the command line is parsed.
 */
export function addDeviceOptions(command: Command, use: 'read-here' | 'handed-over'): readonly DeviceText[] {
  const given: DeviceText[] = [];
  for (const kind of KINDS) {
    command.addOption(
      new Option(`--${kind} [KEYS]`, kind === 'macvtap' ? 'open a macvtap' : `open a ${kind.toUpperCase()}`)
        .preset('')
        .argParser((text: string) => {
          given.push({ kind, text });
          return given;
        }),
    );
  }
  command.addHelpText('after', () => keysHelp(use));
  return given;
}

function keysHelp(use: 'read-here' | 'handed-over'): string {
  const names = Object.keys(KEYS).filter((name) => KINDS.some((kind) => keysOf(kind, use).includes(name)));
  const rows = names.map((name) => {
    const key = KEYS[name];
    const kinds = key?.kinds.length === KINDS.length ? '' : ` (${key?.kinds.join(', ')})`;
    return [`  ${name}=${key?.value}`, `${key?.help}${kinds}`];
  });
  return `\nKeys, as in --tap bridge=br0,mtu=1400 (write a comma in a value twice):\n${columns(rows).join('\n')}`;
}

/** The end of a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

/** Reads a whole number. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(
      max === Number.MAX_SAFE_INTEGER
        ? `It must be a number from ${min} on.`
        : `It must be a number from ${min} to ${max}.`,
    );
  };
}

/** Reads a time in seconds, such as `0.5`. */
export function seconds(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a time of ${min} to ${max} seconds.`);
  };
}
