/** The remedies of findings, for somebody at a shell: the library's own are calls in JavaScript. */
import type { Finding, FindingCode } from '../../index.js';
import type { Namespace } from './namespaces.js';

type Remedy = (ip: string, finding: Finding, isHeld: boolean) => string;

const setUp: Remedy = (ip, { interface: name }) => `${ip} link set ${name} up`;

/** Those of the others are commands already, or say what no command does. */
const REMEDIES: Partial<Record<FindingCode, Remedy>> = {
  'link-down': setUp,
  'bridge-down': setUp,
  'lower-down': setUp,
  'no-carrier': (_ip, _finding, isHeld) =>
    isHeld ? 'its program has turned the carrier off, or has ended' : 'start the program that opens it',
  multicast: (ip, { interface: name }) => `${ip} link set ${name} allmulticast on`,
  'mode-vepa': toBridgeMode,
  'mode-private': toBridgeMode,
  'mode-source': toBridgeMode,
  'wrong-node': () => 'pass descriptors to programs (tapfd exec), never that path',
  mtu: (ip, { interface: name }) => `${ip} link set ${name} mtu BYTES: the same for all of them`,
  'address-duplicate': (ip, { interface: name }) => `${ip} address show dev ${name}: take another one`,
  'address-deprecated': (ip, { interface: name }) =>
    `${ip} address change ADDRESS dev ${name} preferred_lft forever`,
};

function toBridgeMode(ip: string, { interface: name }: Finding): string {
  return `if that is not intended: ${ip} link set ${name} type macvtap mode bridge`;
}

/** @param isHeld - A program has the device open. */
export function shellRemedy(finding: Finding, namespace: Namespace, isHeld: boolean): string {
  return REMEDIES[finding.code]?.(commandFor(namespace), finding, isHeld) ?? finding.remedy;
}

/** `ip` in that namespace. */
function commandFor({ own, path }: Namespace): string {
  if (own) return 'ip';
  const [, name] = /^\/run\/netns\/(.+)$/.exec(path) ?? [];
  return name === undefined ? `nsenter --net=${path} ip` : `ip -n ${name}`;
}
