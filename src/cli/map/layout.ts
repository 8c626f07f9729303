/** Where everything stands: namespaces one beneath the other, groups side by side, wires in lanes of their own. */

import { type PlacedWire, type Point, placeWires, type WireAnchor } from './lanes.js';
import type { MapGroup, MapHolder, MapNode, NetworkMap } from './model.js';

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface PlacedNode extends Box {
  node: MapNode;
}

export interface PlacedHolder extends Box {
  holder: MapHolder;
}

export interface PlacedPanel extends Box {
  label: string;
}

export interface Layout {
  width: number;
  height: number;
  panels: PlacedPanel[];
  nodes: PlacedNode[];
  holders: PlacedHolder[];
  /** From a bridge or lower device to what is on it, and from a device to its program. */
  stems: [Point, Point][];
  wires: PlacedWire[];
}

const MARGIN = 24;
const PANEL_HEAD = 34;
const PANEL_PADDING = 18;
const PANEL_GAP = 28;
const GROUP_GAP = 30;
const NODE_GAP = 14;
const NODE_HEIGHT = 46;
const HOLDER_HEIGHT = 42;
const STEM = 22;
const MIN_NODE_WIDTH = 104;
/** A row of groups is no wider, unless one group alone is. */
const MAX_ROW_WIDTH = 900;
/** Beside a node that has something beneath it: for each of its wires. */
const SIDE_ROOM = 10;
export const LANE = 12;

/** About the width of a character of the two sizes of text. */
const TITLE_CHARACTER = 7.6;
const SUBTITLE_CHARACTER = 6.3;

export function textWidth(title: string, subtitle: string): number {
  return Math.max([...title].length * TITLE_CHARACTER, [...subtitle].length * SUBTITLE_CHARACTER);
}

/** A row of groups of one namespace, before it has a height. */
interface Row {
  groups: MapGroup[];
}

export function layOut({ namespaces, wires }: NetworkMap): Layout {
  const count = new Map<string, number>();
  for (const { from, to } of wires) for (const id of [from, to]) count.set(id, (count.get(id) ?? 0) + 1);
  const layout: Layout = { width: 0, height: 0, panels: [], nodes: [], holders: [], stems: [], wires: [] };
  const placer = new Placer(layout, count);
  let y = MARGIN;
  for (const { label, groups } of namespaces) {
    const panel: PlacedPanel = { label, x: MARGIN, y, width: 0, height: 0 };
    layout.panels.push(panel);
    let rowY = y + PANEL_HEAD;
    let width = textWidth(label, '') + 2 * PANEL_PADDING;
    for (const { groups: inRow } of rowsOf(groups, placer)) {
      const { right, bottom } = placer.placeRow(inRow, MARGIN + PANEL_PADDING, rowY);
      width = Math.max(width, right - MARGIN + PANEL_PADDING);
      rowY = bottom + PANEL_PADDING;
    }
    panel.width = width;
    panel.height = rowY - y;
    y = rowY + PANEL_GAP;
  }
  return finish(layout, placer, wires);
}

/** All namespaces are as wide as the widest; wires between rows run beside them. */
function finish(layout: Layout, { anchors }: Placer, wires: NetworkMap['wires']): Layout {
  const widest = Math.max(0, ...layout.panels.map(({ width }) => width));
  for (const panel of layout.panels) panel.width = widest;
  layout.wires = placeWires(wires, anchors, MARGIN + widest);
  const gutter = Math.max(0, ...layout.wires.flatMap(({ points }) => points.map(({ x }) => x)));
  const last = layout.panels.at(-1);
  layout.width = Math.max(MARGIN + widest, gutter) + MARGIN;
  layout.height = (last === undefined ? 0 : last.y + last.height) + MARGIN;
  return layout;
}

function rowsOf(groups: readonly MapGroup[], placer: Placer): Row[] {
  const rows: Row[] = [];
  let width = 0;
  for (const group of groups) {
    const own = placer.groupWidth(group);
    const row = rows.at(-1);
    if (row === undefined || width + GROUP_GAP + own > MAX_ROW_WIDTH) {
      rows.push({ groups: [group] });
      width = own;
    } else {
      row.groups.push(group);
      width += GROUP_GAP + own;
    }
  }
  return rows;
}

/** Places groups, and notes from where their wires begin. */
class Placer {
  readonly anchors = new Map<string, WireAnchor>();
  readonly #layout: Layout;
  readonly #wires: ReadonlyMap<string, number>;
  #row = 0;

  constructor(layout: Layout, wires: ReadonlyMap<string, number>) {
    this.#layout = layout;
    this.#wires = wires;
  }

  groupWidth(group: MapGroup): number {
    return (
      Math.max(this.#membersWidth(group), nodeWidth(group.head)) +
      this.#sideRoom(group.head, group.members.length > 0)
    );
  }

  placeRow(groups: readonly MapGroup[], x: number, y: number): { right: number; bottom: number } {
    this.#row += 1;
    let right = x;
    let bottom = y;
    const nodes: MapNode[] = [];
    for (const group of groups) {
      bottom = Math.max(bottom, this.#placeGroup(group, right, y));
      right += this.groupWidth(group) + GROUP_GAP;
      nodes.push(group.head, ...group.members);
    }
    // Lanes beneath the row, one for each wire that ends in it.
    let lane = bottom + LANE;
    for (const { id } of nodes) {
      const anchor = this.anchors.get(id);
      if (anchor === undefined) continue;
      anchor.lanes = anchor.starts.map(() => {
        lane += LANE;
        return lane - LANE;
      });
    }
    return { right: right - GROUP_GAP, bottom: lane - LANE };
  }

  /** @returns Its lower end. */
  #placeGroup(group: MapGroup, x: number, y: number): number {
    const { head, members } = group;
    const isWide = members.length > 0;
    const width = isWide ? Math.max(this.#membersWidth(group), nodeWidth(head)) : nodeWidth(head);
    let bottom = this.#placeNode(head, { x, y, width }, isWide);
    let memberX = x + (width - this.#membersWidth(group)) / 2;
    const memberY = y + NODE_HEIGHT + STEM;
    for (const member of members) {
      const own = nodeWidth(member);
      const middle = memberX + own / 2;
      this.#layout.stems.push([
        { x: middle, y: y + NODE_HEIGHT },
        { x: middle, y: memberY },
      ]);
      bottom = Math.max(bottom, this.#placeNode(member, { x: memberX, y: memberY, width: own }, false));
      memberX += own + this.#sideRoom(member, false) + NODE_GAP;
    }
    return bottom;
  }

  #placeNode(node: MapNode, { x, y, width }: Omit<Box, 'height'>, hasMembers: boolean): number {
    this.#layout.nodes.push({ node, x, y, width, height: NODE_HEIGHT });
    let bottom = y + NODE_HEIGHT;
    for (const holder of node.holders) {
      const middle = x + width / 2;
      this.#layout.stems.push([
        { x: middle, y: bottom },
        { x: middle, y: bottom + STEM },
      ]);
      bottom += STEM;
      this.#layout.holders.push({ holder, x, y: bottom, width, height: HOLDER_HEIGHT });
      bottom += HOLDER_HEIGHT;
    }
    const count = this.#wires.get(node.id) ?? 0;
    const isBlocked = hasMembers || node.holders.length > 0;
    if (count > 0) {
      const starts = Array.from(
        { length: count },
        (_, i): Point =>
          isBlocked
            ? { x: x + width, y: y + (NODE_HEIGHT * (i + 1)) / (count + 1) }
            : { x: x + (width * (i + 1)) / (count + 1), y: y + NODE_HEIGHT },
      );
      // The outermost begins highest, so that none crosses another on its way down.
      const down = (i: number) => x + width + SIDE_ROOM * (count - i);
      this.anchors.set(node.id, {
        row: this.#row,
        starts: starts.map((start, i) => (isBlocked ? [start, { x: down(i), y: start.y }] : [start])),
        lanes: [],
      });
    }
    return bottom;
  }

  #membersWidth({ members }: MapGroup): number {
    const widths = members.map((member) => nodeWidth(member) + this.#sideRoom(member, false));
    return widths.reduce((sum, width) => sum + width, 0) + NODE_GAP * Math.max(0, members.length - 1);
  }

  /** For wires that cannot begin beneath the node. */
  #sideRoom({ id, holders }: MapNode, hasMembers: boolean): number {
    const isBlocked = hasMembers || holders.length > 0;
    return isBlocked ? SIDE_ROOM * (this.#wires.get(id) ?? 0) : 0;
  }
}

function nodeWidth({ title, subtitle, holders }: MapNode): number {
  const widths = [textWidth(title, subtitle), ...holders.map((one) => textWidth(one.title, one.subtitle))];
  return Math.max(MIN_NODE_WIDTH, ...widths.map((width) => Math.ceil(width) + 24));
}
