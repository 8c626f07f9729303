/** Calls with arguments that TypeScript would not let through. */
import type { Test } from 'tap';

/** The call must refuse `argument` before it does anything. */
export function refuses(
  t: Test,
  call: (...args: never[]) => unknown,
  args: readonly unknown[],
  argument: string,
): void {
  t.throws(
    () => Reflect.apply(call, undefined, args),
    { name: 'TapfdError', code: 'ERR_TAPFD_INVALID_ARGUMENT', argument },
    `${call.name} refuses ${argument}`,
  );
}
