/** src/cli/doctor/: `tapfd doctor`: what this machine and this user can do. On top of machine and terminal. */
import { EXIT } from '../terminal/exit-codes.js';
import { printJson, printLines } from '../terminal/output.js';
import { styleFor, widthFor } from '../terminal/style.js';
import { examine } from './examine.js';
import { type Severity, worstOf } from './finding.js';
import { reportLines } from './report.js';

const EXIT_CODES: Readonly<Record<Severity, number>> = {
  ok: EXIT.ok,
  warning: EXIT.warnings,
  error: EXIT.errors,
};

/** @returns The exit code: that of the worst finding. */
export async function doctor(options: { json?: true }): Promise<number> {
  const findings = await examine({ root: '/', path: process.env.PATH });
  const worst = worstOf(findings);
  if (options.json) printJson({ version: 1, severity: worst, findings });
  else
    printLines(reportLines(findings, { style: styleFor(process.stdout), width: widthFor(process.stdout) }));
  return EXIT_CODES[worst];
}
