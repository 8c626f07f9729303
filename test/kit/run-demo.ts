/** `npm run demo` from outside. */
import { spawn } from 'node:child_process';
import { inRepo } from './paths.js';

const DEMO = inRepo('scripts/demo.mjs');

/** Runs the demo to its end. It is no part of the test run: neither coverage nor the runner's settings concern it. */
export async function runDemo(
  args: string[],
  options: { uid?: number } = {},
): Promise<{ status: number; output: string }> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(TAP|_TAPJS|NODE_OPTIONS|NODE_V8|TAPFD_)/.test(name)),
  );
  const child = spawn(process.execPath, [DEMO, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const status = await new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)));
  return { status, output };
}
