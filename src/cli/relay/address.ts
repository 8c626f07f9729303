/** Where the peer is: `unix:PATH`, a path, or `HOST:PORT`. */
import { UsageError } from '../terminal/failure.js';

export type Address = { readonly path: string } | { readonly host: string; readonly port: number };

/** The longest path of a unix socket (unix(7)): Node would cut one that is longer. */
const MAX_PATH_BYTES = 107;
const MAX_PORT = 65535;

/** @throws UsageError */
export function parseAddress(option: string, text: string): Address {
  const path = text.startsWith('unix:') ? text.slice('unix:'.length) : text.includes('/') ? text : undefined;
  if (path !== undefined) {
    if (path !== '' && Buffer.byteLength(path) <= MAX_PATH_BYTES) return { path };
    throw new UsageError(`${option} ${text}: the path of a socket has 1 to ${MAX_PATH_BYTES} bytes`);
  }
  // An IPv6 address stands in brackets: [::1]:5000.
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || !(port >= 1 && port <= MAX_PORT)) {
    throw new UsageError(`${option} ${text}: write unix:PATH, HOST:PORT or [IPV6]:PORT`);
  }
  return { host, port };
}

export function formatAddress(address: Address): string {
  if ('path' in address) return `unix:${address.path}`;
  const { host, port } = address;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
