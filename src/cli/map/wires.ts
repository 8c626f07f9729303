/** Which links belong together across namespaces: veth pairs, and macvtaps whose lower device is elsewhere. */
import type { Link } from '../../index.js';
import type { Namespace } from '../machine/namespaces.js';

export interface WireEnd {
  namespace: Namespace;
  link: Link;
}

export interface Wire {
  a: WireEnd;
  b: WireEnd;
  isLower: boolean;
}

/** All wires, each once. Those whose other end cannot be told for certain are left out. */
export function findWires(namespaces: readonly Namespace[]): Wire[] {
  const peers = new Peers(namespaces);
  const wires: Wire[] = [];
  for (const namespace of namespaces) {
    for (const link of namespace.links) {
      const isLower = (link.kind === 'macvtap' || link.kind === 'macvlan') && link.lowerNetnsId !== undefined;
      if (link.kind !== 'veth' && !isLower) continue;
      const a = { namespace, link };
      const b = peers.of(a);
      // Of the two ends of a pair, the first makes the wire.
      const isFirst = b !== undefined && (isLower || !wires.some((wire) => wire.b.link === link));
      if (isFirst) wires.push({ a, b, isLower });
    }
  }
  return wires;
}

/**
 * The kernel names the namespace of a peer by a number that is valid in the link's own namespace only, and there is no list
 * of them that an ordinary program may read for all. But the numbers are found out by the pairs that fit together in one way.
 */
class Peers {
  readonly #namespaces: readonly Namespace[];
  /** `lowerNetnsId` of a namespace, and what it means there. */
  readonly #meanings = new Map<string, Namespace>();

  constructor(namespaces: readonly Namespace[]) {
    this.#namespaces = namespaces;
    // Each that is found may make others certain.
    for (let known = -1; known < this.#meanings.size; ) {
      known = this.#meanings.size;
      for (const namespace of namespaces)
        for (const link of namespace.links) this.#learn({ namespace, link });
    }
  }

  of({ namespace, link }: WireEnd): WireEnd | undefined {
    const there =
      link.lowerNetnsId === undefined ? namespace : this.#meanings.get(keyOf(namespace, link.lowerNetnsId));
    const peer = there?.links.find(({ index }) => index === link.lower);
    return there && peer && { namespace: there, link: peer };
  }

  #learn(end: WireEnd): void {
    const { namespace, link } = end;
    if (link.lowerNetnsId === undefined || this.#meanings.has(keyOf(namespace, link.lowerNetnsId))) return;
    const only = this.#onlyFitting(end);
    if (only === undefined) return;
    // Of two that fit one end, none is certain, although each fits nowhere else.
    const peers = only.links.filter(({ index, kind }) => index === link.lower && kind === 'veth');
    const isMutual = (peer: Link) =>
      link.kind !== 'veth' || this.#onlyFitting({ namespace: only, link: peer }) === namespace;
    if (peers.every(isMutual)) this.#meanings.set(keyOf(namespace, link.lowerNetnsId), only);
  }

  #onlyFitting(end: WireEnd): Namespace | undefined {
    const [only, ...others] = this.#namespaces.filter((one) => one !== end.namespace && this.#fits(end, one));
    return others.length === 0 ? only : undefined;
  }

  /** Whether the other end of `link` may be in that namespace. */
  #fits({ namespace, link }: WireEnd, there: Namespace): boolean {
    const other = there.links.find(({ index }) => index === link.lower);
    if (other === undefined || other.loopback) return false;
    if (link.kind !== 'veth') return other.kind !== 'bridge' && other.mtu >= link.mtu;
    if (other.kind !== 'veth' || other.lower !== link.index || other.lowerNetnsId === undefined) return false;
    const back = this.#meanings.get(keyOf(there, other.lowerNetnsId));
    return back === undefined || back === namespace;
  }
}

function keyOf({ key }: Namespace, id: number): string {
  return `${key} ${id}`;
}
