/** The bench's network namespaces. All traffic stays in them, and they are removed however the bench ends. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const names = new Set();
let made = 0;

process.on('exit', removeAllNamespaces);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => process.exit(1));
}

/** Makes a namespace without unsolicited traffic: without IPv6 there is no neighbour discovery. */
export function makeNamespace() {
  made += 1;
  const name = `tapfd-bench-${process.pid}-${made}`;
  ip('netns', 'add', name);
  names.add(name);
  const quiet = 'for one in all default; do echo 1 > /proc/sys/net/ipv6/conf/$one/disable_ipv6; done';
  if (existsSync('/proc/sys/net/ipv6')) execFileSync('nsenter', [...entering(name), 'sh', '-c', quiet]);
  return name;
}

export function removeNamespace(name) {
  if (names.delete(name)) ip('netns', 'delete', name);
}

export function removeAllNamespaces() {
  for (const name of [...names]) {
    try {
      removeNamespace(name);
    } catch (error) {
      process.stderr.write(`${name} is left behind: ${error.message}\n`);
    }
  }
}

/** The arguments that make `nsenter` run a program in a namespace. */
export function entering(name) {
  return [`--net=/run/netns/${name}`, '--'];
}

export function ip(...args) {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
