/** What `diagnose()` finds, and a process that holds a device. */
import type { Test } from 'tap';
import type { Finding, FrameStream } from 'tapfd';
import { startChild } from './child.js';
import type { TestNamespace } from './namespace.js';

export async function allCodes(device: FrameStream): Promise<string[]> {
  return (await device.diagnose()).map(({ code }) => code);
}

/**
 * Without `wrong-node`, which may be true of any macvtap whose index the kernel chose: another namespace on the machine
 * may have one of that index. Where it matters, the test chooses the index.
 */
export async function codes(device: FrameStream): Promise<string[]> {
  return (await allCodes(device)).filter((code) => code !== 'wrong-node');
}

/** The one finding with this code; that it says which interface and what to do. */
export async function finding(t: Test, device: FrameStream, wanted: Partial<Finding>): Promise<Finding> {
  const found = await device.diagnose();
  const one = found.find(({ code }) => code === wanted.code);
  if (one === undefined) throw new Error(`no ${wanted.code} among ${JSON.stringify(found)}`);
  t.match(one, wanted);
  t.match(one.message, /\S{3}/);
  t.match(one.remedy, /\S{3}/);
  return one;
}

/** A process that holds what `program` opens, until the test ends. */
export async function holder(t: Test, program: string): Promise<number> {
  const child = startChild(
    `import { openTap } from 'tapfd'; ${program}; console.log('held'); setInterval(() => {}, 9e5);`,
  );
  t.teardown(async () => {
    child.kill('SIGKILL');
    await child.ended;
  });
  await child.printed('held');
  return child.pid;
}

/** Puts the macvtap `guest` on `wire`, with an index that names its device node. */
export async function addGuestLink(network: TestNamespace, index: number): Promise<void> {
  const link = `link add link wire name guest index ${index} type macvtap mode bridge`;
  await network.ip(...link.split(' '));
}
