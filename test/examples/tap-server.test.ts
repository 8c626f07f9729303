/** The example with two processes: root opens, nobody uses, and the kernel pings. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import ts from 'typescript';
import { needs } from '../kit/capabilities.js';
import { ownNamespace } from '../kit/network.js';
import { socketDirectory } from '../kit/open-files.js';
import { inRepo } from '../kit/paths.js';
import { readableCopy } from '../kit/readable-copy.js';

const NOBODY = 65_534;
const run = promisify(execFile);

function compile(name: string, directory: string): void {
  const source = readFileSync(inRepo('examples', `${name}.ts`), 'utf8');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  writeFileSync(`${directory}/${name}.js`, outputText.replaceAll("ethernet-host.ts'", "ethernet-host.js'"));
}

/** Resolves with the line that has the text. */
function start(t: Test, command: string, args: string[], options: object) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  t.teardown(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    child.emit('said');
  });
  return {
    async said(pattern: RegExp): Promise<void> {
      while (!pattern.test(output)) {
        await Promise.race([
          once(child, 'said'),
          ended.then(() => {
            throw new Error(`ended with: ${output}`);
          }),
        ]);
      }
    },
    async stop(): Promise<void> {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

t.test(
  'a TAP for a process without privilege',
  { skip: needs('root', 'tun-device', 'netns', 'ip', 'ping', 'bridge') },
  async (t) => {
    const ns = await ownNamespace(t);
    const copy = await readableCopy(t);
    for (const name of ['tap-server', 'ethernet-host']) compile(name, copy);
    const directory = socketDirectory(t);
    await run('chmod', ['755', directory]);
    const path = `${directory}/taps`;
    const inside = ['netns', 'exec', ns.name];
    // The runner's settings for Node name files that this user may not write.
    const program = [
      'env',
      '--unset=NODE_OPTIONS',
      '--unset=NODE_V8_COVERAGE',
      process.execPath,
      'tap-server.js',
    ];
    const server = start(t, 'ip', [...inside, ...program, 'serve', path, 'br7', `${NOBODY}`], { cwd: copy });
    await server.said(/serving br7/);
    await ns.ip('address', 'add', '10.9.0.1/24', 'dev', 'br7');
    const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'];
    const user = start(t, 'ip', [...inside, ...asNobody, ...program, 'use', path, '10.9.0.2'], { cwd: copy });
    await user.said(/user 65534 answers for 10.9.0.2 on tap0/);
    await server.said(/gave tap0 to process \d+ of user 65534/);
    t.equal(await ns.ping('10.9.0.2', 3), 3);
    await user.stop();
    await server.stop();
    t.same((await ns.linkNames()).sort(), ['br7', 'lo'], 'the TAP went with its user');
  },
);
