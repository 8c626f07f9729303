/**
 * src/packets/fields/: what all headers share: reading and checking fields, checksums. On top of addresses.
 *
 * This file: what reads them.
 */

/** A header in the bytes of a packet. Its fields are getters: each reads the bytes when it is asked for. */
export abstract class Header {
  /** Of the whole packet. */
  protected readonly bytes: Buffer;
  /** Where the header begins. */
  protected readonly at: number;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  protected u8(offset: number): number {
    return this.bytes[this.at + offset];
  }

  protected u16(offset: number): number {
    return u16(this.bytes, this.at + offset);
  }

  protected u32(offset: number): number {
    return u32(this.bytes, this.at + offset);
  }

  /** The fields' names, in the order of the bytes. */
  protected abstract get names(): readonly string[];

  /** The fields as a plain object: for `JSON.stringify`. */
  toJSON(): object {
    return Object.fromEntries(
      this.names.map((name) => [name, Reflect.get(this, name)]).filter(([, value]) => value !== undefined),
    );
  }

  /** What `console.log` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](): object {
    return this.toJSON();
  }
}

export function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

export function u32(bytes: Uint8Array, at: number): number {
  return u16(bytes, at) * 0x1_0000 + u16(bytes, at + 2);
}

/** A header as the encoder takes it: the named fields are required, and all others are filled in. */
export type Fields<T, Required extends keyof T = never> = { readonly [name in Required]: T[name] } & {
  readonly [name in Exclude<keyof T, Required>]?: T[name] | undefined;
};
