/** `tapfd exec`: descriptors for any command, whose status and signals are its own. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { bash, COMMAND, startTapfd, tapfd } from '../../kit/command.js';
import { ownNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'netns', 'veth', 'macvtap', 'ip');

t.test('the command has the descriptors that its arguments name, and the devices go with it', async (t) => {
  const ns = await ownNamespace(t);
  await ns.wire('wire', 'far');
  const script = 'readlink /proc/self/fd/$0 /proc/self/fd/$1; echo $2 $3 $4 $5; ip -o link show $2; exit 7';
  const { code, output, errors } = await tapfd(
    [
      'exec',
      '--macvtap',
      'lower=wire,name=mv,mac=02:00:00:00:00:05',
      '--tap',
      't0,guest-mac=02:00:00:00:00:06',
      '--',
      'sh',
      '-c',
      script,
      '{fd}',
      '{fd:1}',
      '{name}',
      '{mac}',
      '{name:1}',
      '{mac:1}',
    ],
    { ns },
  );
  t.equal(code, 7, errors);
  t.match(
    output,
    /^(?:\/dev\/tap\d+|\/tap)\n\/dev\/net\/tun\nmv 02:00:00:00:00:05 t0 02:00:00:00:00:06\n\d+: mv@wire/,
  );
  t.same((await ns.linkNames()).sort(), ['far', 'wire']);
});

t.test('several queues of a device, and a TUN without MAC', async (t) => {
  const ns = await ownNamespace(t);
  const args = [
    '--tap',
    'queues=3',
    '--tun',
    '',
    '--',
    'sh',
    '-c',
    'echo {fds} {fd:1} {index:1}; readlink /proc/self/fd/3 /proc/self/fd/6',
  ];
  const { code, output } = await tapfd(['exec', ...args], { ns });
  t.equal(code, 0);
  t.match(output, /^3:4:5 6 \d+\n\/dev\/net\/tun\n\/dev\/net\/tun\n$/);
});

t.test('what ends the command is told by the exit code', async (t) => {
  const ns = await ownNamespace(t);
  const codeOf = async (...command: string[]) => tapfd(['exec', '--tap', '--', ...command], { ns });
  t.equal((await codeOf('sh', '-c', 'kill -USR1 $$')).code, 128 + 10);
  t.equal((await codeOf('sh', '-c', 'kill -KILL $$')).code, 128 + 9);
  const missing = await codeOf('/nonexistent');
  t.equal(missing.code, 127);
  t.equal(missing.errors, 'tapfd exec: there is no program /nonexistent (ENOENT)\n');
  const closed = await codeOf('/etc/passwd');
  t.equal(closed.code, 126);
  t.match(closed.errors, 'EACCES');
  const beneath = await codeOf('/etc/passwd/x');
  t.equal(beneath.code, 126);
  t.equal(beneath.errors, 'tapfd exec: /etc/passwd/x cannot be executed (ENOTDIR)\n');
  t.match((await codeOf('nonexistent')).errors, 'no program nonexistent in PATH');
  const nothing = await codeOf('');
  t.equal(nothing.code, 125);
  t.match(nothing.errors, 'there is no command');
  // Too long only when it is filled in.
  const long = ['exec', '--tap', 'name=fifteenbytes123', '--', 'true', '{name}'.repeat(10_000)];
  const { code, errors } = await tapfd(long, { ns });
  t.equal(code, 125);
  t.match(errors, 'E2BIG');
  t.same(await ns.linkNames(), []);
});

t.test('a device that does not open starts nothing and leaves nothing', async (t) => {
  const ns = await ownNamespace(t);
  await ns.wire('wire', 'far');
  const refused = async (args: string[], message: RegExp) => {
    const { code, output, errors } = await tapfd(
      ['exec', '--macvtap', 'lower=wire', ...args, '--', 'echo', 'started'],
      { ns },
    );
    t.same({ code, output }, { code: 125, output: '' });
    t.match(errors, message);
    t.equal(errors.trimEnd().split('\n').length, 1);
    t.same((await ns.linkNames()).sort(), ['far', 'wire']);
  };
  await refused(['--macvtap', 'lower=nix'], /ENODEV/);
  await refused(['--tap', 'mac=nonsense'], /ERR_TAPFD_INVALID_ARGUMENT/);
  await refused(['--tap', 'queues=0'], /queues: 1 to 256/);
  await refused(['--tap', 'queues=257'], /queues: 1 to 256/);
  await refused(['--macvtap', 'lower=wire,guest-mac=ff:ff:ff:ff:ff:ff'], /ERR_TAPFD_INVALID_ARGUMENT/);
});

t.test('a further queue that does not open takes the device with it', async (t) => {
  const ns = await ownNamespace(t);
  const { code, errors } = await bash('ulimit -n 60; tapfd exec --tap queues=100 -- echo started', ns).ended;
  t.equal(code, 125);
  t.match(errors, 'EMFILE');
  t.same(await ns.linkNames(), []);
});

t.test('signals reach the command', async (t) => {
  const ns = await ownNamespace(t);
  for (const signal of [
    'SIGTERM',
    'SIGINT',
    'SIGQUIT',
    'SIGHUP',
    'SIGUSR1',
    'SIGUSR2',
    'SIGWINCH',
  ] as const) {
    const script = `trap 'echo got ${signal}; exit 3' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`;
    const started = startTapfd(['exec', '--tap', '--', 'bash', '-c', script], { ns });
    await started.printed('ready');
    started.kill(signal);
    const { code, output } = await started.ended;
    t.same({ code, output }, { code: 3, output: `ready\ngot ${signal}\n` }, signal);
  }
  t.same(await ns.linkNames(), []);
});

/** The state of a process: `T` is stopped (proc_pid_stat(5)). */
function stateOf(pid: number): string | undefined {
  return /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
}

async function untilState(pid: number, wanted: RegExp): Promise<void> {
  while (!wanted.test(stateOf(pid) ?? '')) await new Promise(setImmediate);
}

t.test('SIGTSTP stops both, SIGCONT lets both go on', async (t) => {
  const ns = await ownNamespace(t);
  // As the job of a shell, which could let it go on: the kernel stops no others.
  const started = bash(
    `set -m; tapfd exec --tap -- bash -c 'echo pid $$ parent $PPID; exec sleep 1000' & wait -f $!`,
    ns,
  );
  const [, child = '', parent = ''] =
    /pid (\d+) parent (\d+)/.exec(await started.printed(/pid \d+ parent \d+/)) ?? [];
  for (let i = 0; i < 2; i++) {
    process.kill(Number(parent), 'SIGTSTP');
    await untilState(Number(child), /T/);
    await untilState(Number(parent), /T/);
    process.kill(Number(parent), 'SIGCONT');
    await untilState(Number(child), /[SR]/);
    await untilState(Number(parent), /[SR]/);
  }
  process.kill(Number(parent), 'SIGTERM');
  t.equal((await started.ended).code, 128 + 15);
});

t.test('a signal while devices open ends it, and leaves nothing', async (t) => {
  const ns = await ownNamespace(t);
  await ns.wire('wire', 'far');
  const many = Array.from({ length: 60 }, () => ['--macvtap', 'lower=wire']).flat();
  const started = startTapfd(['exec', ...many, '--', 'echo', 'started'], { ns });
  while ((await ns.linkNames()).length < 4) await new Promise(setImmediate);
  started.kill('SIGTERM');
  const { code, output } = await started.ended;
  t.same({ code, output }, { code: 128 + 15, output: '' });
  t.same((await ns.linkNames()).sort(), ['far', 'wire']);
});

t.test('a device that is deleted is reported; the command goes on', async (t) => {
  const ns = await ownNamespace(t);
  const command = ['sh', '-c', 'echo ready; exec sleep 1000'];
  const started = startTapfd(['exec', '--tap', 't1', '--', ...command], { ns });
  await started.printed('ready');
  await ns.ip('link', 'delete', 't1');
  await started.printed('ERR_TAPFD_DEVICE_GONE');
  started.kill('SIGTERM');
  t.equal((await started.ended).code, 128 + 15);
});

t.test('a user without privilege is told what is missing', async (t) => {
  const started = startTapfd(['exec', '--tap', '--', 'true'], { uid: 65534 });
  const { code, errors } = await started.ended;
  t.equal(code, 125);
  t.match(errors, /EPERM|EACCES/);
});

t.test('keys of a terminal reach the command once', { skip: needs('python3') }, async (t) => {
  const ns = await ownNamespace(t);
  // A pseudo-terminal, whose Ctrl-C signals all its programs.
  const python = [
    'import os, pty, sys',
    'pid, fd = pty.fork()',
    'if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])',
    'seen = b""',
    'sent = False',
    'while True:',
    '    try: part = os.read(fd, 4096)',
    '    except OSError: break',
    '    if not part: break',
    '    seen += part',
    '    if b"ready" in seen and not sent: os.write(fd, b"\\x03"); sent = True',
    'print(seen.count(b"got"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))',
  ].join('\n');
  const script =
    'n=0; trap "echo got; n=1" INT; echo ready; while [ $n = 0 ]; do sleep 0.05; done; sleep 0.3; exit 4';
  const output = await ns.exec(
    'python3',
    '-c',
    python,
    ...COMMAND,
    'exec',
    '--tap',
    '--',
    'bash',
    '-c',
    script,
  );
  t.equal(output, '1 4\n');
});
