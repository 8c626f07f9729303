/** The options of `tapfd relay`. */
import type { LengthFormat } from '../../frames/framing.js';

export interface Framing {
  length: LengthFormat;
  /** VPNKit's greeting comes first. */
  greets: boolean;
  help: string;
}

/** What can stand before each frame. */
export const FRAMINGS = {
  qemu: {
    length: 'u32be',
    greets: false,
    help: '4 bytes, big-endian: QEMU, passt, gvproxy -listen-qemu',
  },
  vpnkit: {
    length: 'u16le',
    greets: true,
    help: "VPNKit's greeting, 2 bytes, little-endian: gvproxy -listen-vpnkit",
  },
  bare16: { length: 'u16le', greets: false, help: '2 bytes, little-endian, without greeting' },
} as const satisfies Record<string, Framing>;

export interface RelayOptions {
  connect?: string;
  listen?: string;
  framing: keyof typeof FRAMINGS;
  /** Seconds between two attempts. */
  reconnect?: number;
  quiet?: true;
}
