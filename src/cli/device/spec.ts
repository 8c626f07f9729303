/** Reads `--tap bridge=br0,mtu=1400`: keys and values as QEMU's options have them, where two commas stand for one. */
import type { DeviceKind } from '../../index.js';
import { UsageError } from '../terminal/failure.js';
import { type DeviceSettings, KEYS, type Value } from './keys.js';

/** A device as the command line has it. */
export interface DeviceText {
  kind: DeviceKind;
  /** What follows `--tap`; empty if nothing does. */
  text: string;
}

/** A device to open. */
export interface DeviceSpec extends DeviceSettings {
  kind: DeviceKind;
}

/**
 * @param use - `read-here`: the command itself reads the device; `handed-over`: another program gets it.
 * @throws UsageError
 */
export function parseDevice({ kind, text }: DeviceText, use: 'read-here' | 'handed-over'): DeviceSpec {
  const settings: DeviceSettings = { open: {}, queues: 1 };
  const given = new Set<string>();
  for (const [position, item] of splitItems(text).entries()) {
    const equals = item.indexOf('=');
    // The first may be a mere name: `--tap tap0`.
    const isName = equals === -1 && position === 0;
    const name = isName ? 'name' : equals === -1 ? item : item.slice(0, equals);
    const key = Object.hasOwn(KEYS, name) ? KEYS[name] : undefined;
    if (key === undefined || !key.kinds.includes(kind) || (key.handedOverOnly && use === 'read-here')) {
      throw new UsageError(
        `--${kind} ${text}: there is no key "${name}"; there are ${keysOf(kind, use).join(', ')}`,
      );
    }
    if (equals === -1 && !isName) throw new UsageError(`--${kind} ${text}: write ${name}=${key.value}`);
    if (given.has(name) && name !== 'address')
      throw new UsageError(`--${kind} ${text}: ${name} is given twice`);
    given.add(name);
    key.set(settings, new KeyValue(`--${kind} ${name}`, item.slice(equals + 1)));
  }
  if (kind === 'macvtap' && !given.has('name') && !given.has('lower')) {
    throw new UsageError(
      `--macvtap ${text}: give lower=NAME to make one, or name=NAME to open one that is there`,
    );
  }
  return { kind, ...settings };
}

/** The keys that this kind of device has. */
export function keysOf(kind: DeviceKind, use: 'read-here' | 'handed-over'): string[] {
  return Object.entries(KEYS)
    .filter(([, key]) => key.kinds.includes(kind) && !(key.handedOverOnly && use === 'read-here'))
    .map(([name]) => name);
}

/** The items between single commas. */
function splitItems(text: string): string[] {
  if (text === '') return [];
  const items = [''];
  for (const part of text.split(/(,,|,)/)) {
    if (part === ',') items.push('');
    else items.push(`${items.pop()}${part === ',,' ? ',' : part}`);
  }
  return items;
}

const SWITCHES: Readonly<Record<string, boolean>> = {
  on: true,
  yes: true,
  true: true,
  off: false,
  no: false,
  false: false,
};

class KeyValue implements Value {
  readonly #key: string;

  constructor(
    key: string,
    readonly text: string,
  ) {
    this.#key = key;
  }

  switch(): boolean {
    const value = Object.hasOwn(SWITCHES, this.text) ? SWITCHES[this.text] : undefined;
    if (value === undefined) throw new UsageError(`${this.#key}: "${this.text}" is neither on nor off`);
    return value;
  }

  number(): number {
    if (!/^\d{1,10}$/.test(this.text)) throw new UsageError(`${this.#key}: "${this.text}" is no number`);
    return Number(this.text);
  }
}
