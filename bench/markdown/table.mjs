/** @param {readonly string[]} head @param {readonly (readonly string[])[]} lines */
export function table(head, lines) {
  /** @param {readonly string[]} cells */
  const row = (cells) => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...lines.map(row), ''].join('\n');
}
