/** The example with two processes: root opens, nobody uses, and the kernel pings. */
import { execFile } from 'node:child_process';
import { cpSync } from 'node:fs';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { needs } from '../kit/capabilities.js';
import { compiledExamples } from '../kit/examples.js';
import { ownNamespace } from '../kit/namespace.js';
import { socketDirectory } from '../kit/open-files.js';
import { readableCopy } from '../kit/readable-copy.js';
import { type StartedProgram, startProgram } from '../kit/started-program.js';

const NOBODY = 65_534;
const run = promisify(execFile);

function start(t: Test, command: string, args: string[], cwd: string): StartedProgram {
  const program = startProgram(command, args, { cwd });
  t.teardown(() => stop(program));
  return program;
}

async function stop(program: StartedProgram): Promise<void> {
  program.kill('SIGTERM');
  await program.ended;
}

t.test(
  'a TAP for an unprivileged process',
  { skip: needs('root', 'tun-device', 'netns', 'ip', 'ping', 'bridge') },
  async (t) => {
    const ns = await ownNamespace(t);
    const copy = await readableCopy(t);
    cpSync(compiledExamples(), copy, { recursive: true });
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
    const server = start(t, 'ip', [...inside, ...program, 'serve', path, 'br7', `${NOBODY}`], copy);
    await server.printed(/serving br7/);
    await ns.ip('address', 'add', '10.9.0.1/24', 'dev', 'br7');
    const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'];
    const user = start(t, 'ip', [...inside, ...asNobody, ...program, 'use', path, '10.9.0.2'], copy);
    await user.printed(/user 65534 answers for 10.9.0.2 on tap0/);
    await server.printed(/gave tap0 to process \d+ of user 65534/);
    t.equal(await ns.ping('10.9.0.2', 3), 3);
    await stop(user);
    await stop(server);
    t.same(await ns.linkNames(), ['br7'], 'the TAP went with its user');
  },
);
