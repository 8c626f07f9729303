/** Horizontal bars with whiskers, as SVG: readable from the back of a room, and in black and white. */
import { COLOURS, gridLine, niceStep, round, svgDocument, text, WIDTH, whisker } from './svg.mjs';

const LABEL_WIDTH = 320;
/** The figures stand in a column of their own, where neither bars nor grid reach them. */
const VALUE_WIDTH = 150;
const MARGIN = 24;
const BAR = 22;
const GAP = 8;
const GROUP_HEAD = 34;
const TOP = 108;
const BOTTOM = 64;

/**
 * @typedef {object} Scale
 * @property {number} left
 * @property {number} right
 * @property {number[]} ticks
 * @property {(value: number) => number} x
 *
 * @typedef {object} Bar
 * @property {string} label
 * @property {number} value
 * @property {number} low end of the whisker
 * @property {number} high
 * @property {string} text at the end of the line
 * @property {boolean} own one of ours
 * @property {number} [target]
 *
 * @param {object} chart
 * @param {string} chart.title
 * @param {string} chart.subtitle
 * @param {string} chart.axis what the axis shows, with its unit
 * @param {{title: string, bars: Bar[]}[]} chart.groups
 * @param {number} [chart.baseline] where bars begin. Default: 0
 * @param {string} [chart.baselineName]
 * @returns {string}
 */
export function barChart({ title, subtitle, axis, groups, baseline, baselineName }) {
  const scale = scaleOf(
    groups.flatMap(({ bars }) => bars),
    baseline,
  );
  const bars = [];
  let y = TOP;
  for (const group of groups) {
    bars.push(text(24, y + 22, group.title, 'font-size="17" font-weight="bold"'));
    y += GROUP_HEAD;
    for (const bar of group.bars) {
      bars.push(drawBar(bar, y, scale, baseline ?? 0));
      y += BAR + GAP;
    }
    y += GAP;
  }
  const ticks = scale.ticks.map((value) => {
    const x = scale.x(value);
    const line = gridLine(x, TOP - 4, y, value === baseline);
    return line + text(x, y + 20, String(value), 'font-size="14" text-anchor="middle"');
  });
  const named =
    baseline === undefined || baselineName === undefined
      ? ''
      : text(
          scale.x(baseline),
          TOP - 10,
          baselineName,
          'font-size="14" text-anchor="middle" font-weight="bold"',
        );
  const axisTitle = baseline === undefined ? axis : `${axis}; logarithmic scale`;
  const axisName = text(
    (scale.left + scale.right) / 2,
    y + 46,
    axisTitle,
    'font-size="15" text-anchor="middle"',
  );
  const parts = [...ticks, named, ...bars, axisName];
  return svgDocument({ title, subtitle: [subtitle], height: y + BOTTOM, parts });
}

/** @param {Bar} bar @param {number} y @param {Scale} scale @param {number} from */
function drawBar({ label, value, low, high, text: figure, own, target }, y, scale, from) {
  const middle = y + BAR / 2;
  const [start, end] = [scale.x(from), scale.x(value)];
  const [whiskerLow, whiskerHigh] = [scale.x(low), scale.x(high)];
  const parts = [
    text(
      LABEL_WIDTH - 8,
      middle + 5,
      label,
      `font-size="15" text-anchor="end"${own ? ' font-weight="bold"' : ''}`,
    ),
    `<rect x="${Math.min(start, end)}" y="${y}" width="${Math.max(1, Math.abs(end - start))}" height="${BAR}" fill="${own ? COLOURS.own : COLOURS.other}"/>`,
    whisker({
      from: whiskerLow,
      to: whiskerHigh,
      y: middle,
      halfHeight: 5,
      colour: COLOURS.ink,
      width: 1.5,
    }),
    text(WIDTH - MARGIN, middle + 5, figure, 'font-size="15" text-anchor="end"'),
  ];
  if (target !== undefined) {
    const x = scale.x(target);
    parts.push(
      `<path d="M${x} ${y - 3}v${BAR + 6}" stroke="${COLOURS.target}" stroke-width="3" stroke-dasharray="5 2"/>`,
    );
  }
  return parts.join('');
}

/**
 * Ratios get a logarithmic scale, where twice and half are the same length; amounts a linear one from 0.
 *
 * @param {Bar[]} bars
 * @param {number | undefined} baseline
 * @returns {Scale}
 */
function scaleOf(bars, baseline) {
  const left = LABEL_WIDTH;
  const right = WIDTH - VALUE_WIDTH;
  const values = bars.flatMap(({ value, low, high, target }) => [value, low, high, target ?? value]);
  const max = Math.max(...values, baseline ?? 0);
  if (baseline === undefined) {
    const step = niceStep(max / 6);
    const end = Math.ceil(max / step) * step || 1;
    const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, i) =>
      Number((i * step).toPrecision(6)),
    );
    return {
      left,
      right,
      ticks,
      x: (/** @type {number} */ value) => round(left + ((right - left) * Math.min(value, end)) / end),
    };
  }
  const candidates = [
    0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 7, 10, 15, 20,
    30, 50, 100, 200,
  ];
  const min = Math.max(0.05, Math.min(...values, baseline));
  const start = candidates.filter((tick) => tick <= min * 0.999).at(-1) ?? candidates[0];
  const end = candidates.find((tick) => tick >= max) ?? 200;
  const x = (/** @type {number} */ value) =>
    round(
      left +
        ((right - left) * Math.log(Math.min(Math.max(value, start), end) / start)) / Math.log(end / start),
    );
  return {
    left,
    right,
    ticks: spaced(
      candidates.filter((tick) => tick >= start && tick <= end),
      x,
      baseline,
    ),
    x,
  };
}

/**
 * Leaves out ticks whose numbers would touch, but keeps the baseline's.
 *
 * @param {number[]} ticks
 * @param {(value: number) => number} x
 * @param {number} baseline
 */
function spaced(ticks, x, baseline) {
  const kept = [baseline];
  for (const tick of ticks) {
    if (kept.every((other) => Math.abs(x(other) - x(tick)) >= 36)) kept.push(tick);
  }
  return kept.sort((a, b) => a - b);
}
