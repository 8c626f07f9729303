/** Colours, where somebody sees them. */

/** Marks text for a terminal, or leaves it as it is. */
export type Mark = (text: string) => string;

export interface Style {
  bold: Mark;
  dim: Mark;
  red: Mark;
  green: Mark;
  yellow: Mark;
  cyan: Mark;
}

/** ECMA-48 SGR: what begins and what ends each. */
const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

/**
 * Colours for this stream: on a terminal, unless `NO_COLOR` has a value or the terminal is `dumb`; with `FORCE_COLOR`
 * anywhere, unless that is `0` or `false`.
 */
export function styleFor(
  stream: { isTTY?: boolean | undefined },
  env: Readonly<NodeJS.ProcessEnv> = process.env,
): Style {
  const isOn = wantsColours(stream.isTTY === true, env);
  const mark = ([begin, end]: readonly [number, number]): Mark =>
    isOn ? (text) => `\u001b[${begin}m${text}\u001b[${end}m` : (text) => text;
  return {
    bold: mark(CODES.bold),
    dim: mark(CODES.dim),
    red: mark(CODES.red),
    green: mark(CODES.green),
    yellow: mark(CODES.yellow),
    cyan: mark(CODES.cyan),
  };
}

function wantsColours(isTerminal: boolean, env: Readonly<NodeJS.ProcessEnv>): boolean {
  const { FORCE_COLOR, NO_COLOR, TERM } = env;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return isTerminal && (NO_COLOR ?? '') === '' && TERM !== 'dumb';
}

/** The width to write for: that of the terminal, else 80 columns. */
export function widthFor(stream: { columns?: number | undefined }): number {
  return Math.max(40, stream.columns ?? 80);
}
