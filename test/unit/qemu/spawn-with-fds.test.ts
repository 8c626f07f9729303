/** spawnWithFds(): descriptors of this process under the right numbers in a child. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { spawnWithFds } from 'tapfd/qemu';
import { untilAborted } from '#lib/base/abort.js';
import { env, heldHere, openFile, path, program, tell, told } from '../../kit/holding-child.js';

t.test('spawnWithFds', async (t) => {
  t.test('writes the numbers into the arguments, and the child has the descriptors there', async (t) => {
    const fds = [openFile(t, 'a'), openFile(t, 'b')];
    const args = tell('{fd:0}', 'x={fd:1},y={fd:0}{fd:1}', '{fd}', 'fd:0', '{ fd:0}');
    const { args: seen, held } = await told(await spawnWithFds(program, args, fds, { env }));
    t.strictSame(seen, ['3', 'x=4,y=34', '{fd}', 'fd:0', '{ fd:0}']);
    t.strictSame(held, { 3: 'a', 4: 'b' });
  });

  t.test("comes after the caller's own stdio", async (t) => {
    const [a, b, c] = [openFile(t, 'a'), openFile(t, 'b'), openFile(t, 'c')];
    const child = await spawnWithFds(program, tell('{fd:0}'), [a], {
      env,
      stdio: ['ignore', 'pipe', 'inherit', b, 'ignore', c],
    });
    const { args, held } = await told(child);
    t.strictSame(args, ['6']);
    t.strictSame(held, { 3: 'b', 5: 'c', 6: 'a' });
  });

  t.test('fills up a short or a single stdio', async (t) => {
    const a = openFile(t, 'a');
    const short = await spawnWithFds(program, tell('{fd:0}'), [a], { env, stdio: ['ignore'] });
    t.strictSame(await told(short), { args: ['3'], held: { 3: 'a' } });
    const single = await spawnWithFds(program, ['-e', 'process.exit(fs.fstatSync({fd:0}).size)'], [a], {
      env,
      stdio: 'ignore',
    });
    t.equal(single.stdout, null);
    t.strictSame(await once(single, 'exit'), ['first'.length, null]);
  });

  t.test('takes what has a descriptor, and one twice', async (t) => {
    const handle = await open(path('b'));
    t.teardown(() => handle.close());
    const { held } = await told(await spawnWithFds(program, tell(), [handle, handle.fd], { env }));
    t.strictSame(held, { 3: 'b', 4: 'b' });
  });

  t.test('leaves the descriptors here as they are: open, and no heritage of another child', async (t) => {
    const a = openFile(t, 'a');
    await told(await spawnWithFds(program, tell(), [a], { env }));
    t.equal(fstatSync(a).size, 5);
    const other = spawnSync(program, tell(), { env, encoding: 'utf8' });
    t.strictSame(JSON.parse(other.stdout).held, {});
  });

  t.test('the child misses no event although it ends at once', async (t) => {
    const child = await spawnWithFds('/bin/sh', ['-c', 'echo said; exit 7'], []);
    const output = text(child.stdout);
    t.strictSame(await once(child, 'exit'), [7, null]);
    t.equal(await output, 'said\n');
  });

  t.test('refuses a wrong placeholder before it starts anything', async (t) => {
    const a = openFile(t, 'a');
    for (const bad of [
      '{fd:1}',
      '{fd:x}',
      '{fd:}',
      '{fd:',
      '{fd:-1}',
      '{fd:01}',
      '{fd:0',
      'fd={fd:0}:{fd:9}',
    ]) {
      await t.rejects(
        spawnWithFds('/nonexistent', ['ok', bad], [a]),
        { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'args[1]', message: /N from 0 to 0/ },
        bad,
      );
    }
    await t.rejects(spawnWithFds('/nonexistent', ['{fd:0}'], []), {
      code: 'ERR_TAPFD_INVALID_ARGUMENT',
      message: /fds is empty/,
    });
  });

  t.test('refuses a closed descriptor before it starts anything', async (t) => {
    const a = openFile(t, 'a');
    const closed = openSync(path('c'), 'r');
    closeSync(closed);
    await t.rejects(spawnWithFds('/nonexistent', [], [a, closed]), {
      code: 'EBADF',
      syscall: 'fstat',
      errno: -9,
      argument: 'fds[1]',
    });
  });

  t.test('misuse', async (t) => {
    const bad: [unknown[], string][] = [
      [['', [], []], 'command'],
      [[5, [], []], 'command'],
      [['sh', 'x', []], 'args'],
      [['sh', ['a', 5], []], 'args[1]'],
      [['sh', new Array(1), []], 'args[0]'],
      [['sh', [], new Array(1)], 'fds[0]'],
      [['sh', [], [], { sdtio: 'inherit' }], 'sdtio'],
      [['sh', [], [], { signal: {} }], 'signal'],
      [['sh', [], [], {}, {}], 'argument 5'],
      [['sh', [], 3], 'fds'],
      [['sh', [], [-1]], 'fds[0]'],
      [['sh', [], [null]], 'fds[0]'],
      [['sh', [], [{}]], 'fds[0]'],
      [['sh', [], [{ fd: '3' }]], 'fds[0]'],
      [['sh', [], [], 'x'], 'options'],
    ];
    for (const [args, argument] of bad) {
      // @ts-expect-error: these are the wrong types on purpose
      await t.rejects(spawnWithFds(...args), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument }, argument);
    }
    // @ts-expect-error: what Node refuses is Node's error
    await t.rejects(spawnWithFds('sh', [], [], { uid: 'x' }), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  t.test('a program that cannot be started leaves everything as it was', async (t) => {
    const a = openFile(t, 'a');
    const before = heldHere();
    const fails = async (
      code: string,
      message: RegExp,
      ...[command, options]: [string, object?]
    ): Promise<void> => {
      await t.rejects(
        spawnWithFds(command, ['{fd:0}'], [a], { ...options }),
        { name: 'TapfdError', code, syscall: 'spawn', path: command, message },
        code,
      );
    };
    await fails('ENOENT', /PATH/, '/nonexistent');
    await fails('ENOENT', /cwd/, program, { cwd: '/nonexistent' });
    await fails('EACCES', /execut/, path('no-program'));
    await fails('E2BIG', /argument/, program, { env: { LONG: 'x'.repeat(1 << 20) } });
    t.strictSame(heldHere(), before);
    t.equal(fstatSync(a).size, 5);
  });

  t.test('an aborted signal', async (t) => {
    t.test('before: nothing is started', async (t) => {
      const reason = new Error('changed my mind');
      const signal = AbortSignal.abort(reason);
      await t.rejects(spawnWithFds('/bin/sh', ['-c', `touch ${path('made')}`], [], { signal }), reason);
      t.throws(() => accessSync(path('made')));
    });
    t.test('between the start and its news: the child is gone when the call fails', async (t) => {
      const aborter = new AbortController();
      const { signal } = aborter;
      const started = spawnWithFds('sleep', ['1000'], [], { signal, stdio: 'ignore' });
      const reason = new Error('changed my mind');
      aborter.abort(reason);
      await t.rejects(started, reason);
      const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
      t.equal(children, '', 'not even as a zombie');
    });
    t.test('one that throws leaves no child, and no failure behind that nobody hears of', async (t) => {
      const { signal } = new AbortController();
      signal.addEventListener = () => {
        throw new Error('no listeners');
      };
      for (const command of ['/nonexistent', 'sleep']) {
        await t.rejects(spawnWithFds(command, ['1000'], [], { signal }), { message: 'no listeners' });
      }
      await t.rejects(untilAborted(signal, Promise.resolve()), { message: 'no listeners' }, 'each time');
      t.equal(readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8'), '');
    });
    t.test('with the news of the start: the caller hears of it', async (t) => {
      for (const when of [process.nextTick, queueMicrotask, setImmediate]) {
        const aborter = new AbortController();
        const started = spawnWithFds('sleep', ['1000'], [], { signal: aborter.signal, stdio: 'ignore' });
        when(() => aborter.abort(new Error('changed my mind')));
        const outcome = await started.then(
          async (child) => {
            const [[error]] = await Promise.all([
              once(child, 'error'),
              new Promise((end) => child.once('exit', end)),
            ]);
            return error.cause;
          },
          (error) => error,
        );
        t.match(outcome, { message: 'changed my mind' });
      }
    });
    t.test('later: as with any child', async (t) => {
      const aborter = new AbortController();
      const child = await spawnWithFds('sleep', ['1000'], [], { signal: aborter.signal });
      const failed = once(child, 'error');
      const exited = new Promise((resolve) => child.once('exit', (_code, killedBy) => resolve(killedBy)));
      aborter.abort();
      t.match(await failed, [{ name: 'AbortError' }]);
      t.equal(await exited, 'SIGTERM');
    });
  });
});
