/** What a check of the machine finds. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../machine/processes.js';

/** `error`: no device can be opened, or not by this user. `warning`: something does not work that not everybody needs. */
export type Severity = 'ok' | 'warning' | 'error';

export interface MachineFinding {
  /** The same in each version: `clone-device`. */
  id: string;
  severity: Severity;
  /** What was looked at. */
  title: string;
  /** What was found, and what it means. */
  message: string;
  /** What to do about it. Always there, unless nothing is to be done. */
  remedy?: string;
}

/** The machine that is looked at. */
export interface Machine {
  /** Where its files are: `/`, or a directory in a test. */
  root: string;
  /** Where its programs are: `PATH`, if it is set. */
  path: string | undefined;
}

/** A check without its name. */
export type Answer = Omit<MachineFinding, 'id' | 'title'>;

export function good(message: string): Answer {
  return { severity: 'ok', message };
}

export function lacks(severity: 'warning' | 'error', message: string, remedy: string): Answer {
  return { severity, message, remedy };
}

export function worstOf(findings: readonly Pick<MachineFinding, 'severity'>[]): Severity {
  const found = new Set(findings.map(({ severity }) => severity));
  if (found.has('error')) return 'error';
  return found.has('warning') ? 'warning' : 'ok';
}

/** The text of a small file; undefined if it cannot be read. */
export function readText({ root }: Machine, path: string): string | undefined {
  return attempt(() => readFileSync(join(root, path), 'utf8').trim());
}
