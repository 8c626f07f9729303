/**
 * Skips what this machine cannot run and gives the reason: `t.test('…', { skip: needs('root', 'macvtap') }, …)`. Never
 * skip in any other way: CI accepts only a skip whose reason names a capability that the machine lacks.
 */
import type { TAP } from 'tap';
import { type Capability, needs } from '#scripts/test/capabilities.mjs';

export { type Capability, needs };

/**
 * For a file whose tests all need the same: `fileNeeds(t, 'root', 'tun-device')` as its first statement ends the file
 * there if the machine lacks one of them, and counts it as skipped.
 */
export function fileNeeds(t: TAP, ...capabilities: Capability[]): void {
  const reason = needs(...capabilities);
  if (reason === false) return;
  t.plan(0, reason);
  process.exit(0);
}
