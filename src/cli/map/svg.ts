/** The picture as SVG, without fonts or files of its own, in light and dark. */

import type { PlacedWire, Point } from './lanes.js';
import { LANE, type Layout, type PlacedHolder, type PlacedNode, type PlacedPanel } from './layout.js';

const STYLE = `
  svg { --page: #ffffff; --panel: #f6f8fa; --line: #d0d7de; --text: #1f2328; --soft: #59636e; --wire: #8250df;
    --bridge: #ddf4ff; --bridge-line: #0969da; --tap: #dafbe1; --tap-line: #1a7f37; --macvtap: #fff1e5; --macvtap-line: #bc4c00;
    --macvlan: #fff8c5; --macvlan-line: #9a6700; --veth: #fbefff; --device: #eaeef2; --device-line: #6e7781; --holder: #ffffff; }
  @media (prefers-color-scheme: dark) {
    svg { --page: #0d1117; --panel: #151b23; --line: #3d444d; --text: #f0f6fc; --soft: #9198a1; --wire: #ab7df8;
      --bridge: #0c2d6b; --bridge-line: #4493f8; --tap: #033a16; --tap-line: #3fb950; --macvtap: #5a1e02; --macvtap-line: #db6d28;
      --macvlan: #4b2900; --macvlan-line: #d29922; --veth: #3c1e70; --device: #262c36; --device-line: #9198a1; --holder: #0d1117; }
  }
  text { font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: var(--text); }
  .title { font-size: 13px; font-weight: 600; text-anchor: middle; }
  .subtitle { font-size: 11px; fill: var(--soft); text-anchor: middle; }
  .label { font-size: 13px; font-weight: 600; fill: var(--soft); }
  .panel { fill: var(--panel); stroke: var(--line); }
  .node { stroke-width: 1.5; }
  .down { stroke-dasharray: 4 3; }
  .bridge { fill: var(--bridge); stroke: var(--bridge-line); }
  .tap { fill: var(--tap); stroke: var(--tap-line); }
  .macvtap { fill: var(--macvtap); stroke: var(--macvtap-line); }
  .macvlan { fill: var(--macvlan); stroke: var(--macvlan-line); }
  .veth { fill: var(--veth); stroke: var(--wire); }
  .device { fill: var(--device); stroke: var(--device-line); }
  .holder { fill: var(--holder); stroke: var(--soft); }
  .guest { stroke: var(--text); stroke-width: 2; }
  .stem { stroke: var(--soft); stroke-width: 1.5; }
  .wire { stroke: var(--wire); stroke-width: 2; fill: none; }
  .lower { stroke: var(--soft); stroke-dasharray: 5 4; }
`;

const CORNER = 7;
const TITLE_Y = 19;
const SUBTITLE_Y = 35;

export function svgOf(layout: Layout, title: string): string {
  const { width, height, panels, nodes, holders, stems, wires } = layout;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect width="${width}" height="${height}" fill="var(--page)"/>`,
    ...panels.map(panelSvg),
    ...wires.map(wireSvg),
    ...stems.map(([a, b]) => `<line class="stem" x1="${a.x}" y1="${a.y}" x2="${b.x}" y2="${b.y}"/>`),
    ...nodes.map(nodeSvg),
    ...holders.map(holderSvg),
    '</svg>',
    '',
  ].join('\n');
}

function panelSvg({ x, y, width, height, label }: PlacedPanel): string {
  return [
    `<rect class="panel" x="${x}" y="${y}" width="${width}" height="${height}" rx="12"/>`,
    `<text class="label" x="${x + 18}" y="${y + 22}">${escaped(label)}</text>`,
  ].join('\n');
}

function nodeSvg({ node, x, y, width, height }: PlacedNode): string {
  const state = node.isUp ? '' : ' down';
  return [
    `<rect class="node ${node.kind}${state}" x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`,
    textSvg('title', x + width / 2, y + TITLE_Y, node.title),
    textSvg('subtitle', x + width / 2, y + SUBTITLE_Y, node.subtitle),
  ].join('\n');
}

function holderSvg({ holder, x, y, width, height }: PlacedHolder): string {
  const shape = holder.isGuest ? 'holder guest' : 'holder';
  return [
    `<rect class="${shape}" x="${x}" y="${y}" width="${width}" height="${height}" rx="${holder.isGuest ? 4 : height / 2}"/>`,
    textSvg('title', x + width / 2, y + TITLE_Y - 2, holder.title),
    textSvg('subtitle', x + width / 2, y + SUBTITLE_Y - 3, holder.subtitle),
  ].join('\n');
}

function textSvg(kind: string, x: number, y: number, text: string): string {
  return `<text class="${kind}" x="${x}" y="${y}">${escaped(text)}</text>`;
}

function wireSvg({ points, isLower }: PlacedWire): string {
  return `<path class="wire${isLower ? ' lower' : ''}" d="${roundedPath(points)}"/>`;
}

/** Straight lines with round corners. */
export function roundedPath(points: readonly Point[]): string {
  const parts = points.map((point, i) => {
    const before = points[i - 1];
    const after = points[i + 1];
    if (before === undefined) return `M${point.x} ${point.y}`;
    if (after === undefined) return `L${point.x} ${point.y}`;
    const radius = Math.min(CORNER, LANE, distance(before, point) / 2, distance(point, after) / 2);
    const from = towards(point, before, radius);
    const to = towards(point, after, radius);
    return `L${from.x} ${from.y}Q${point.x} ${point.y} ${to.x} ${to.y}`;
  });
  return parts.join('');
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function towards(from: Point, to: Point, length: number): Point {
  const whole = distance(from, to) || 1;
  const round = (value: number) => Math.round(value * 10) / 10;
  return {
    x: round(from.x + ((to.x - from.x) * length) / whole),
    y: round(from.y + ((to.y - from.y) * length) / whole),
  };
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
