/** docs/errors.md as the site shows it: a heading for each code, so that each has an anchor and is found by the search. */

const HEAD = /^\| (?:Code|Call and code) \| Cause \| Remedy \|\n\|[-| ]+\|\n((?:\|.*\|\n?)+)/gm;

/** @param {string} text */
export function withAnchors(text) {
  let result = '';
  let from = 0;
  for (const { index, 0: table, 1: rows } of text.matchAll(HEAD)) {
    const before = text.slice(from, index);
    const above = [...`${result}${before}`.matchAll(/^(#+) /gm)].at(-1)?.[1] ?? '#';
    result +=
      before +
      rows
        .trimEnd()
        .split('\n')
        .map((row) => section(row, `${above}#`))
        .join('\n');
    from = index + table.length;
  }
  return `---\noutline: [2, 4]\n---\n\n${result}${text.slice(from)}`;
}

/** The anchor of a code: the code itself; of a failed call, `ioctl-TUNSETIFF-EBUSY`. @param {string} code */
export function anchorOfCode(code) {
  return code.replaceAll(' ', '-');
}

/** @param {string} row @param {string} marks */
function section(row, marks) {
  const [cell = '', cause = '', remedy = ''] = row.replace(/^\| | \|$/g, '').split(' | ');
  const codes = [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '');
  const [first = '', ...others] = codes;
  const also = others.map((code) => `<a id="${anchorOfCode(code)}"></a>`).join('');
  const answer = remedy.trim() === '-' ? '' : `**Remedy:** ${sentence(remedy, false)}\n`;
  return `${marks} ${codes.map((code) => `\`${code}\``).join(', ')} {#${anchorOfCode(first)}}\n\n${also}${sentence(cause, true)}\n\n${answer}`;
}

/** @param {string} words @param {boolean} isFirst */
function sentence(words, isFirst) {
  const text = words.trim();
  const start = isFirst ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
