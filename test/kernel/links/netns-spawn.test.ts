/** `netns.spawn` is `child_process.spawn`: one table of parameters, run by both, with the same outcome but for the namespace. */
import childProcess, { type ChildProcess, execFileSync, spawn as liveSpawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { createNetns } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { runChild } from '../../kit/child.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

/** Node's own; the imported name follows what a test puts in its place. */
const spawn = liveSpawn;

const directory = mkdtempSync(join(tmpdir(), 'tapfd-spawn-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
chmodSync(directory, 0o755);
const program = join(directory, 'only-here');
writeFileSync(program, '#!/bin/sh\necho only here\nreadlink /proc/self/ns/net\n', { mode: 0o755 });
writeFileSync(join(directory, 'not-executable'), 'text', { mode: 0o644 });
const null3 = openSync('/dev/null', 'r+');
t.teardown(() => closeSync(null3));

/** What a child knows of itself. */
const REPORT = [
  'echo "$$ $0 $*"',
  'id -u; id -g; id -G',
  'pwd',
  'env | sort',
  'readlink /proc/self/ns/net',
  'cut -d" " -f5,6 /proc/$$/stat',
].join('; ');
const SEND = `process.send({ ns: require('fs').readlinkSync('/proc/self/ns/net'), fds: 3 }, () => process.disconnect())`;

const aborted = AbortSignal.abort(new Error('before'));

/** Called for each run, because some parameters serve once. */
const TABLE: Record<string, () => unknown[]> = {
  'a command': () => ['true'],
  'a command and options': () => ['pwd', { cwd: '/' }],
  'a command and arguments': () => ['sh', ['-c', REPORT, 'zero', 'one', 'two words']],
  'undefined where something is left out': () => ['true', undefined, undefined],
  'its status': () => ['sh', ['-c', 'exit 7']],
  'ended by a signal': () => ['sh', ['-c', 'kill -TERM $$']],
  'a shell': () => [
    'readlink /proc/self/ns/net; readlink /proc/self/ns/net && echo "$0"',
    [],
    { shell: true },
  ],
  'a shell without arguments': () => [`${REPORT}; (${REPORT}) | cat`, { shell: true }],
  'a shell with arguments': () => [
    'echo',
    ['$((1+1))', '&&', 'readlink', '/proc/self/ns/net'],
    { shell: true },
  ],
  'a shell of ours': () => ['readlink /proc/self/ns/net; echo $0', { shell: '/bin/bash' }],
  'a shell that is missing': () => ['true', { shell: '/tapfd/no-shell' }],
  'another user': () => ['sh', ['-c', REPORT], { uid: 65534, gid: 65533 }],
  'another user in a shell': () => [REPORT, { shell: true, uid: 65534, gid: 65534 }],
  'a user that may not enter the directory': () => ['pwd', { uid: 65534, cwd: '/root' }],
  'an environment': () => ['sh', ['-c', REPORT], { env: { MARK: 'here', PATH: '/usr/bin:/bin' } }],
  'a program in PATH of the environment only': () => [
    'only-here',
    [],
    { env: { PATH: `${directory}:/bin:/usr/bin` } },
  ],
  'a program not in PATH of the environment': () => ['sleep', ['1'], { env: { PATH: directory } }],
  'an empty environment': () => ['/bin/sh', ['-c', 'env'], { env: {} }],
  argv0: () => ['sh', ['-c', 'tr "\\0" " " < /proc/$$/cmdline'], { argv0: 'called so' }],
  'argv0 in a shell': () => ['tr "\\0" " " < /proc/$$/cmdline', { shell: true, argv0: 'called so' }],
  'a directory': () => ['sh', ['-c', REPORT], { cwd: directory }],
  'a directory as URL': () => ['pwd', [], { cwd: pathToFileURL(directory) }],
  'a program relative to the directory': () => ['./only-here', { cwd: directory }],
  'a directory that is missing': () => ['true', [], { cwd: '/tapfd/missing' }],
  detached: () => ['sh', ['-c', REPORT], { detached: true }],
  'standard streams ignored': () => ['sh', ['-c', 'exit 3'], { stdio: 'ignore' }],
  'standard streams of each kind': () => ['sh', ['-c', REPORT], { stdio: ['ignore', 'pipe', null3] }],
  'one more pipe': () => ['sh', ['-c', 'echo three >&3'], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] }],
  messages: () => [process.execPath, ['-e', SEND], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }],
  'messages of another kind': () => [
    process.execPath,
    ['-e', SEND],
    { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], serialization: 'advanced' },
  ],
  'a signal aborted before': () => ['sleep', ['1000'], { signal: aborted }],
  'a signal aborted after': () => {
    const controller = new AbortController();
    setImmediate(() => controller.abort(new Error('after')));
    return ['sleep', ['1000'], { signal: controller.signal, killSignal: 'SIGKILL' }];
  },
  'a time limit': () => ['sleep', ['1000'], { timeout: 5 }],
  'a time limit with another signal': () => ['sleep', ['1000'], { timeout: 5, killSignal: 'SIGKILL' }],
  'no such program': () => ['tapfd-no-such-program', ['one', 'two']],
  'no such program with a path': () => ['/tapfd/no-such-program'],
  'not a program': () => [join(directory, 'not-executable')],
  'a directory as program': () => [directory],
  'arguments that are too long': () => ['true', ['x'.repeat(200_000)]],
  'options that Node ignores': () => ['true', [], { windowsHide: true, nonsense: 1 }],
  'an empty command': () => [''],
  'no command': () => [],
  'a command that is not text': () => [7],
  'a command with NUL': () => ['tr\0ue'],
  'arguments that are not a list': () => ['true', 'text'],
  'options that are no object': () => ['true', [], 7],
  'a user that is not a number': () => ['true', [], { uid: 'root' }],
  'a directory that is not text': () => ['true', [], { cwd: 7 }],
  'a shell that is none': () => ['true', [], { shell: 7 }],
  'an environment with NUL': () => ['true', [], { env: { A: 'a\0b' } }],
  'streams that do not exist': () => ['true', [], { stdio: 'nonsense' }],
  'a signal that is none': () => ['true', [], { signal: 7 }],
  'a negative time limit': () => ['true', [], { timeout: -1 }],
  'an unknown signal': () => ['true', [], { timeout: 1000, killSignal: 'SIGNONSENSE' }],
};

/** The facts of an error that a program may look at. */
function factsOf(error: unknown): object {
  if (!(error instanceof Error)) return { thrown: error };
  const { name, message, cause } = error;
  return { ...error, name, message, cause: cause instanceof Error ? cause.message : cause };
}

async function outcomeOf(start: typeof spawn, parameters: unknown[]): Promise<Record<string, unknown>> {
  let child: ChildProcess;
  try {
    child = Reflect.apply(start, undefined, parameters);
  } catch (error) {
    return { thrown: factsOf(error) };
  }
  const events: unknown[] = [];
  const note =
    (event: string) =>
    (...values: unknown[]): void => {
      events.push([event, ...values.map((value) => (value instanceof Error ? factsOf(value) : value))]);
    };
  // Exit and disconnect come from different descriptors, in any order.
  for (const event of ['spawn', 'error', 'exit', 'close']) child.on(event, note(event));
  const messages: unknown[] = [];
  child.on('message', (message) => messages.push(message));
  const streams = child.stdio.map((stream) => stream !== null && typeof stream);
  const read = (place: number) => {
    const stream = child.stdio[place];
    return stream && 'read' in stream ? text(stream).catch(String) : '';
  };
  const { spawnfile, spawnargs, connected } = child;
  const hadPid = typeof child.pid;
  // Not once(): in Bun 'close' follows 'error' at once.
  const ended = new Promise((resolve) => child.on('close', resolve));
  // In Bun the streams of a child that did not start have no end.
  const printed = child.pid === undefined ? undefined : Promise.all([read(1), read(2), read(3)]);
  await ended;
  const pid = new RegExp(`(?<!\\d)${child.pid}(?!\\d)`, 'g');
  const facts = JSON.stringify({
    events,
    messages,
    printed: await printed,
    streams,
    spawnfile,
    spawnargs,
    connected,
    hadPid,
    killed: child.killed,
    exitCode: child.exitCode,
    signalCode: child.signalCode,
  });
  return JSON.parse(child.pid === undefined ? facts : facts.replace(pid, 'PID'));
}

const netns = await createNetns();
t.teardown(() => netns.close());
const namespaceOf = (path: string) => `net:[${statSync(path).ino}]`;
const inside = namespaceOf(netns.path);
const outside = namespaceOf('/proc/self/ns/net');

t.jobs = 4;
for (const [title, parametersOf] of Object.entries(TABLE)) {
  t.test(title, { buffered: true }, async (t) => {
    const found = JSON.stringify(await outcomeOf(netns.spawn, parametersOf()));
    const wanted = JSON.stringify(await outcomeOf(spawn, parametersOf()));
    t.notMatch(found, outside, 'nothing of it runs outside');
    t.same(JSON.parse(found), JSON.parse(wanted.replaceAll(outside, inside)));
  });
}

t.test('without the privilege nothing runs', async (t) => {
  const touched = join(directory, 'touched');
  const ended = await runChild(
    `import { createNetns } from 'tapfd';
    const netns = await createNetns();
    process.seteuid(65534);
    try {
      netns.spawn('touch', [process.argv[1]]);
    } catch ({ code, syscall, message }) {
      console.log(JSON.stringify({ code, syscall, message }));
    }
    // Coverage is written as root.
    process.seteuid(0);`,
    [touched],
  );
  t.match(ended, { code: 0, signal: null, errors: '' });
  t.match(JSON.parse(ended.output), {
    code: 'EPERM',
    syscall: 'setns',
    message: /^netns.spawn: .*CAP_SYS_ADMIN/,
  });
  t.throws(() => statSync(touched), { code: 'ENOENT' });
});

const noExports = process.versions.bun !== undefined || process.versions.deno !== undefined;
t.test(
  'a child that did not enter is killed',
  { skip: noExports && 'needs node: spawn is replaced' },
  async (t) => {
    const elsewhere = spawn('sleep', ['1000']);
    const exited = once(elsewhere, 'exit');
    // As in a runtime that starts children in a way of its own.
    Reflect.set(childProcess, 'spawn', () => elsewhere);
    syncBuiltinESMExports();
    const own = await createNetns();
    Reflect.set(childProcess, 'spawn', spawn);
    syncBuiltinESMExports();
    t.teardown(() => own.close());
    t.throws(() => own.spawn('sleep', ['1000']), {
      code: 'ERR_TAPFD_UNSUPPORTED_PLATFORM',
      message: /in another way/,
    });
    t.same(await exited, [null, 'SIGKILL']);
  },
);

t.test("the caller's code runs outside: getters, conversions, what waits for its turn", async (t) => {
  const seen: string[] = [];
  // Where this thread is, and where a child of it begins.
  const look = (): string => {
    const started = execFileSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' });
    seen.push(namespaceOf('/proc/thread-self/ns/net'), started.trim());
    return '/';
  };
  const argument = { toString: look };
  const waiting = Promise.resolve().then(look);
  const child = netns.spawn('readlink', ['/proc/self/ns/net', argument as unknown as string], {
    get cwd() {
      return look();
    },
    env: {
      get MARK() {
        return look();
      },
      NONE: undefined,
      PATH: process.env.PATH,
    },
    get stdio(): ['ignore', 'pipe', 'ignore'] {
      look();
      return ['ignore', 'pipe', 'ignore'];
    },
  });
  t.equal(seen.length, 8);
  await waiting;
  t.same(new Set(seen), new Set([outside]));
  t.equal((await text(child.stdout)).trim(), inside);
});

t.test('what an option throws is thrown, and the thread is where it was', (t) => {
  const thrown = new Error('of an option');
  const fail = (): never => {
    throw thrown;
  };
  const options = [
    {
      get cwd(): string {
        return fail();
      },
    },
    {
      env: {
        get MARK(): string {
          return fail();
        },
      },
    },
    {
      get signal(): AbortSignal {
        return fail();
      },
    },
    { cwd: 1 as unknown as string },
    {
      stdio: [
        {
          get fd(): number {
            return fail();
          },
        } as unknown as 'pipe',
      ],
    },
  ];
  for (const each of options) t.throws(() => netns.spawn('true', [], each));
  t.throws(() => netns.spawn('true', [{ toString: fail } as unknown as string]), thrown);
  t.equal(namespaceOf('/proc/thread-self/ns/net'), outside);
  t.end();
});

t.test('in a worker', async (t) => {
  const script = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { text } from 'node:stream/consumers';
    const { createNetns } = await import(workerData);
    const netns = await createNetns();
    const link = netns.spawn('readlink', ['/proc/self/ns/net', netns.path]);
    parentPort.postMessage(await text(link.stdout));`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
    workerData: import.meta.resolve('tapfd'),
  });
  const [printed]: string[] = await once(worker, 'message');
  const [child, path] = printed.trim().split('\n');
  t.match(child, /^net:/);
  t.equal(path, child);
  t.notMatch(child, outside);
});
