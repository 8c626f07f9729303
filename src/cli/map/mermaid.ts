/** The picture as a flowchart of Mermaid, which GitHub and many editors draw. */
import type { MapGroup, MapHolder, MapNode, NetworkMap, NodeKind } from './model.js';

/** Colours that are readable in light and dark. */
const CLASSES: Readonly<Record<NodeKind | 'guest', string>> = {
  bridge: 'fill:#0969da,stroke:#0969da,color:#fff',
  device: 'fill:#6e7781,stroke:#6e7781,color:#fff',
  tap: 'fill:#1a7f37,stroke:#1a7f37,color:#fff',
  macvtap: 'fill:#bc4c00,stroke:#bc4c00,color:#fff',
  macvlan: 'fill:#9a6700,stroke:#9a6700,color:#fff',
  veth: 'fill:#8250df,stroke:#8250df,color:#fff',
  guest: 'fill:#24292f,stroke:#8c959f,color:#fff',
};

export function mermaidOf({ namespaces, wires }: NetworkMap): string {
  const lines = ['flowchart TB'];
  for (const [i, { label, groups }] of namespaces.entries()) {
    lines.push(
      `  subgraph ns${i}["${escaped(label)}"]`,
      ...groups.flatMap(groupLines).map((line) => `    ${line}`),
      '  end',
    );
  }
  for (const { from, to, isLower } of wires) lines.push(`  ${from} ${isLower ? '-.-' : '==='} ${to}`);
  for (const [name, style] of Object.entries(CLASSES)) lines.push(`  classDef ${name} ${style}`);
  return `${lines.join('\n')}\n`;
}

function groupLines({ head, members }: MapGroup): string[] {
  return [head, ...members].flatMap((node) => [
    nodeLine(node),
    ...(node === head ? [] : [`${head.id} --- ${node.id}`]),
    ...node.holders.flatMap((holder, i) => holderLines(node, holder, i)),
  ]);
}

function nodeLine({ id, title, subtitle, kind }: MapNode): string {
  return `${id}["${escaped(title)}<br/>${escaped(subtitle)}"]:::${kind}`;
}

function holderLines(node: MapNode, { title, subtitle, isGuest }: MapHolder, position: number): string[] {
  const id = `${node.id}_h${position}`;
  const text = `"${escaped(title)}<br/>${escaped(subtitle)}"`;
  return [isGuest ? `${id}[[${text}]]:::guest` : `${id}([${text}])`, `${node.id} --- ${id}`];
}

/** Mermaid's own entities: everything but letters, digits and what is harmless. */
function escaped(text: string): string {
  return text.replaceAll(/[^\p{L}\p{N} ._:()@·+-]/gu, (character) => `#${character.codePointAt(0)};`);
}
