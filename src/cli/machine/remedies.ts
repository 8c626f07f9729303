/** The remedies of findings, for somebody at a shell: the library's own are calls in JavaScript. */
import { shellWord } from '../../base/remedies.js';
import type { Finding, FindingCode } from '../../index.js';
import type { Namespace } from './namespaces.js';

/** `ip` and `bridge` of iproute2, in that namespace. */
interface Tools {
  ip: string;
  bridge: string;
}

/** @param name - The finding's interface, as a word for the shell. */
type Remedy = (tools: Tools, name: string, isHeld: boolean) => string;

const setUp: Remedy = ({ ip }, name) => `${ip} link set ${name} up`;

/** Those of the others are commands already, or say what no command does. */
const REMEDIES: Partial<Record<FindingCode, Remedy>> = {
  'link-down': setUp,
  'bridge-down': setUp,
  'lower-down': setUp,
  'no-carrier': (_tools, _name, isHeld) =>
    isHeld ? 'its program has turned the carrier off, or has ended' : 'start the program that opens it',
  multicast: ({ ip }, name) => `${ip} link set ${name} allmulticast on`,
  'mode-vepa': toBridgeMode,
  'mode-private': toBridgeMode,
  'mode-source': toBridgeMode,
  'wrong-node': () => 'pass descriptors to programs (tapfd exec), never that path',
  mtu: ({ ip }, name) => `${ip} link set ${name} mtu BYTES: the same for all of them`,
  'address-duplicate': ({ ip }, name) => `${ip} address show dev ${name}: take another one`,
  'address-deprecated': ({ ip }, name) => `${ip} address change ADDRESS dev ${name} preferred_lft forever`,
  'arp-off': ({ ip }, name) => `${ip} link set ${name} arp on`,
  'port-isolated': ({ bridge }, name) =>
    `if that is not intended: ${bridge} link set dev ${name} isolated off`,
  'flooding-off': ({ bridge }, name) =>
    `if that is not intended: ${bridge} link set dev ${name} flood on mcast_flood on bcast_flood on`,
};

function toBridgeMode({ ip }: Tools, name: string): string {
  return `if that is not intended: ${ip} link set ${name} type macvtap mode bridge`;
}

/** @param isHeld - A program has the device open. */
export function shellRemedy(finding: Finding, namespace: Namespace, isHeld: boolean): string {
  const remedy = REMEDIES[finding.code];
  return remedy?.(toolsFor(namespace), shellWord(finding.interface), isHeld) ?? finding.remedy;
}

function toolsFor({ own, path }: Namespace): Tools {
  if (own) return { ip: 'ip', bridge: 'bridge' };
  const [, name] = /^\/run\/netns\/(.+)$/.exec(path) ?? [];
  const [before, option] =
    name === undefined ? [`nsenter --net=${shellWord(path)} `, ''] : ['', ` -n ${shellWord(name)}`];
  return { ip: `${before}ip${option}`, bridge: `${before}bridge${option}` };
}
