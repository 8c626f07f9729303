/** The findings as text. */
import type { Style } from '../terminal/style.js';
import { printable, wrap } from '../terminal/text.js';
import type { MachineFinding, Severity } from './finding.js';

export function reportLines(
  findings: readonly MachineFinding[],
  { style, width }: { style: Style; width: number },
): string[] {
  const marks: Record<Severity, string> = {
    ok: style.green('✓'),
    warning: style.yellow('!'),
    error: style.red('✗'),
  };
  const column = Math.max(...findings.map(({ title }) => title.length)) + 2;
  const indent = ' '.repeat(column + 2);
  const lines = findings.flatMap(({ severity, title, message, remedy }) => {
    const text = wrap(printable(message), width - indent.length);
    const begin = `${marks[severity]} ${style.bold(title.padEnd(column))}`;
    const rest = remedy === undefined ? [] : wrap(`→ ${printable(remedy)}`, width - indent.length, '  ');
    return [
      `${begin}${text[0]}`,
      ...text.slice(1).map((line) => `${indent}${line}`),
      ...rest.map((line) => `${indent}${style.cyan(line)}`),
    ];
  });
  return [...lines, '', summary(findings, style)];
}

function summary(findings: readonly MachineFinding[], { bold, green, red, yellow }: Style): string {
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  const errors = count('error');
  const warnings = count('warning');
  if (errors > 0)
    return bold(red(`${plural(errors, 'error')}, ${plural(warnings, 'warning')}: devices cannot be opened.`));
  if (warnings > 0)
    return bold(yellow(`${plural(warnings, 'warning')}: devices can be opened; not everything else works.`));
  return bold(green('Nothing is missing.'));
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
