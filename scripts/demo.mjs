/**
 * `npm run demo`: from a fresh clone to frames between JavaScript and two virtual machines. Prepares what is missing, then
 * runs examples/demo.ts. Needs root.
 *
 *     npm run demo                     with QEMU guests where possible
 *     npm run demo -- --no-guests      JavaScript behind TAP and macvtap, and the kernel that pings it
 *     npm run demo -- --two-hosts      examples/two-hosts.ts: guests on two hosts, over VXLAN and over macvtap
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ensureCommands } from './debian-packages.mjs';
import { buildGuestImage } from './guest/image.mjs';
import { build, checkSystem, installDependencies, ROOT } from './prepare.mjs';
import { runScript, say, step, Trouble } from './run-command.mjs';
import { lackOf } from './test/capabilities.mjs';

await runScript(async () => {
  const wantsGuests = !process.argv.includes('--no-guests');
  const twoHosts = process.argv.includes('--two-hosts');
  checkSystem();
  // What preparing cannot provide is checked first, as preparing may take minutes.
  demand('root', 'tun-device', 'netns');
  await installDependencies();
  await build();
  await step('compiling the examples', 'npm', ['run', 'build:examples'], { cwd: ROOT });
  await ensureCommands(['ip', twoHosts ? 'tcpdump' : 'ping']);
  demand('bridge', 'veth', 'macvtap', twoHosts ? 'vxlan' : 'ping');
  const image = wantsGuests ? await guestImage() : undefined;
  const files = image === undefined ? [] : [image.kernel, image.initramfs];
  if (!twoHosts) await run(join(ROOT, '.cache/examples/demo.js'), files);
  else await run(join(ROOT, '.cache/examples/two-hosts.js'), image ? files : ['--without-qemu']);
});

/** @param {readonly import('./test/capabilities.mjs').Capability[]} capabilities */
function demand(...capabilities) {
  for (const capability of capabilities) {
    const lack = lackOf(capability);
    if (lack !== undefined) throw new Trouble(`the demo cannot run: ${lack.problem}`, lack.remedy);
  }
}

/** The guests' Linux, or undefined where there can be no guests: the demo runs without them. */
async function guestImage() {
  await ensureCommands(['qemu-system-x86_64', 'busybox', 'iperf3']);
  say('-- preparing the guest image');
  const lack = lackOf('qemu');
  if (lack !== undefined) {
    say(`   no guests: ${lack.problem}; ${lack.remedy}`);
    return undefined;
  }
  try {
    const image = await buildGuestImage();
    say(`   ${image.directory}`);
    return image;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say(`   no guests: ${error.message}${error.remedy === undefined ? '' : `; ${error.remedy}`}`);
    return undefined;
  }
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 */
async function run(program, args) {
  const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' });
  // Ctrl-C reaches both: the demo cleans up and ends, then this script does.
  const wait = () => {};
  process.on('SIGINT', wait);
  const [status, signal] = await once(child, 'exit');
  process.off('SIGINT', wait);
  if (status !== 0) throw new Trouble(`the demo ended with ${signal ?? `status ${status}`}`);
}
