/** The table of docs/lifetimes.md, cell by cell: each end in a process of its own. */
import t, { type Test } from 'tap';
import { fileNeeds } from '../kit/capabilities.js';
import { startChild } from '../kit/child.js';
import { readDocument, tableRows } from '../kit/markdown.js';
import { ownNamespace, type TestNamespace } from '../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap', 'veth', 'ip');

/** The table's rows, and the calls that open such a device. */
const OPENINGS: Record<string, string[]> = {
  'TUN, TAP': ["openTun({ netns, name: 'it' })", "openTap({ netns, name: 'it' })"],
  'TUN, TAP with `persist: true`': [
    "openTun({ netns, name: 'it', persist: true })",
    "openTap({ netns, name: 'it', persist: true })",
  ],
  'macvtap made by `openMacvtap` (`lower`)': ["openMacvtap({ netns, name: 'it', lower: 'wire' })"],
  'macvtap made with `persist: true`': ["openMacvtap({ netns, name: 'it', lower: 'wire', persist: true })"],
  'macvtap found by name': ["openMacvtap({ netns, name: 'it' })"],
};

/**
 * Opens the device, does what `argv[3]` says, and reports it. The program that gets the device stands for QEMU: it ends
 * when its standard input does, and ignores QEMU's arguments.
 */
const PROGRAM = `
  import * as tapfd from 'tapfd';
  import { spawnQemu } from 'tapfd/qemu';
  const [, netns, call, step] = process.argv;
  const { openTap, openTun, openMacvtap } = tapfd;
  const device = await eval(call);
  if (step === 'close') await device.close();
  if (step.startsWith('qemu') && device.kind !== 'tun') {
    const stdio = ['pipe', 'ignore', 'ignore'];
    const args = ['-c', 'exec sleep 1000', 'ignored'];
    const qemu = await spawnQemu('sh', args, { nics: [{ device }], stdio, detached: true });
    process.stdout.write('qemu ' + qemu.pid + ';');
    if (step === 'qemu-ends') {
      qemu.kill('SIGKILL');
      await new Promise((resolve) => device.once('close', resolve));
    }
    qemu.unref();
    qemu.stdin.destroy();
  }
  console.log('reached');
  if (step.endsWith('killed')) setInterval(() => undefined, 1000);
`;

/** The table's columns behind the first. */
const STEPS = ['close', 'exit', 'killed', 'qemu-ends', 'qemu-exit', 'qemu-killed'];

/** Goes through the step in a process of its own, and returns the program that still holds the device. */
async function goThrough(
  t: Test,
  ns: TestNamespace,
  call: string,
  step: string,
): Promise<number | undefined> {
  const child = startChild(PROGRAM, [ns.name, call, step]);
  const said = await child.printed('reached');
  const qemu = Number(/qemu (\d+)/.exec(said)?.[1]);
  if (step.endsWith('killed')) child.kill('SIGKILL');
  await child.ended;
  if (!(qemu > 0) || step === 'qemu-ends') return undefined;
  t.teardown(() => endProgram(qemu));
  return qemu;
}

function endProgram(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

const table = tableRows(readDocument('docs/lifetimes.md'));

t.test('the table has a row for each kind of interface', async (t) => {
  t.same(
    table.map(([kind]) => kind),
    Object.keys(OPENINGS),
  );
});

for (const [kind, ...cells] of table) {
  t.test(kind, async (t) => {
    for (const call of OPENINGS[kind]) {
      // No QEMU takes a TUN.
      const steps = call.startsWith('openTun') ? STEPS.slice(0, 3) : STEPS;
      await Promise.all(
        steps.map(async (step, i) => {
          const ns = await ownNamespace(t);
          await ns.wire('wire', 'far');
          if (kind.includes('found')) {
            await ns.ip('link', 'add', 'link', 'wire', 'name', 'it', 'type', 'macvtap', 'mode', 'bridge');
          }
          const qemu = await goThrough(t, ns, call, step);
          const there = async () => (await ns.linkNames()).includes('it');
          t.equal(await there(), /stays/.test(cells[i]), `${call}, ${step}: ${cells[i]}`);
          if (qemu === undefined) return;
          endProgram(qemu);
          if (!/until QEMU ends/.test(cells[i])) return;
          while (await there());
          t.pass(`${call}, ${step}: gone with the program`);
        }),
      );
    }
  });
}
