/** The ways of wires: down from a node into a lane beneath its row, and from lane to lane beside the namespaces. */
import type { MapWire } from './model.js';

export interface Point {
  x: number;
  y: number;
}

/** Where the wires of a node begin, and the lanes that are kept for them: as many as it has wires. */
export interface WireAnchor {
  /** Of the row of groups: a wire within one needs no way around. */
  row: number;
  starts: Point[][];
  lanes: number[];
}

export interface PlacedWire {
  points: Point[];
  isLower: boolean;
}

const GUTTER = 14;

/** @param right - Where the namespaces end. */
export function placeWires(
  wires: readonly MapWire[],
  anchors: ReadonlyMap<string, WireAnchor>,
  right: number,
): PlacedWire[] {
  const used = new Map<string, number>();
  const next = (id: string) => {
    const position = used.get(id) ?? 0;
    used.set(id, position + 1);
    const { row = 0, starts = [], lanes = [] } = anchors.get(id) ?? {};
    return { row, start: starts[position] ?? [], lane: lanes[position] ?? 0 };
  };
  let gutter = right;
  return wires.map(({ from, to, isLower }) => {
    const a = next(from);
    const b = next(to);
    if (a.row === b.row)
      return { points: [...down(a.start, a.lane), ...down(b.start, a.lane).toReversed()], isLower };
    gutter += GUTTER;
    const around = [
      { x: gutter, y: a.lane },
      { x: gutter, y: b.lane },
    ];
    const points = [...down(a.start, a.lane), ...around, ...down(b.start, b.lane).toReversed()];
    return { points, isLower };
  });
}

/** From a node into a lane. */
function down(start: readonly Point[], lane: number): Point[] {
  const last = start.at(-1);
  return last === undefined ? [] : [...start, { x: last.x, y: lane }];
}
