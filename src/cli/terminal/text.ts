/** Text of others for a terminal, and columns of text. */

/** What a terminal would obey or misplace, and what no XML may hold. */
export const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}\p{Noncharacter_Code_Point}]/gu;

/**
 * Without what a terminal would obey: the names of links and processes are chosen by others, and may hold any byte.
 * Each such character becomes `\xNN`.
 */
export function printable(text: string): string {
  return text.replaceAll(
    UNPRINTABLE,
    (character) => `\\x${character.codePointAt(0)?.toString(16).padStart(2, '0')}`,
  );
}

/** At most `width` characters; one that is cut ends in `…`. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/**
 * Text in columns as wide as their widest cell, two blanks apart.
 *
 * @param keepBlanks - Pad the last column, too.
 */
export function columns(
  rows: readonly (readonly string[])[],
  rightAligned: readonly number[] = [],
  keepBlanks = false,
): string[] {
  const widths: number[] = [];
  const widthAt = (i: number): number => widths[i] ?? 0;
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widthAt(i), widthOf(cell));
  }
  return rows.map((row) => {
    const cells = row.map((cell, i) => {
      const blanks = ' '.repeat(widthAt(i) - widthOf(cell));
      return rightAligned.includes(i) ? `${blanks}${cell}` : `${cell}${blanks}`;
    });
    return keepBlanks ? cells.join('  ') : cells.join('  ').trimEnd();
  });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with ESC
const COLOUR = /\u001b\[\d+m/g;

/** How many cells of a terminal it takes, without its colours. */
export function widthOf(text: string): number {
  return [...text.replaceAll(COLOUR, '')].length;
}

/** Lines of at most `width` characters, broken at blanks, each after the first behind `indent`. */
export function wrap(text: string, width: number, indent = ''): string[] {
  const lines: string[] = [];
  const begin = text.search(/[^ ]|$/);
  const [first = '', ...words] = text.slice(begin).split(' ');
  let line = `${text.slice(0, begin)}${first}`;
  for (const word of words) {
    if (widthOf(`${line} ${word}`) > width) {
      lines.push(line);
      line = `${indent}${word}`;
    } else {
      line = `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** As {@link cut}, for a line that may have colours, which take no room. */
export function cutLine(line: string, width: number): string {
  if (widthOf(line) <= width) return line;
  let room = width - 1;
  // Each part is a colour, or one character.
  const parts = line.matchAll(new RegExp(`${COLOUR.source}|.`, 'gu'));
  const kept = [...parts].filter(([part]) => {
    if (part.startsWith('\u001b')) return true;
    room -= 1;
    return room >= 0;
  });
  return `${kept.join('')}…`;
}
