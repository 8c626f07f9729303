/** `npm run demo` from outside. */
import { inRepo } from './paths.js';
import { outsideEnvironment, startProgram } from './started-program.js';

/** Runs the demo to its end. */
export async function runDemo(
  args: string[],
  options: { uid?: number } = {},
): Promise<{ status: number; output: string }> {
  const command = [inRepo('scripts/demo.mjs'), ...args];
  const program = startProgram(process.execPath, command, { env: outsideEnvironment(), ...options });
  const { code, printed } = await program.ended;
  return { status: code ?? -1, output: printed };
}
