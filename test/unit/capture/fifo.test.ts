/** Captures through FIFOs, whose other end comes late, stalls, goes, or never comes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { capture, PcapngReader, PcapngWriter } from 'tapfd/capture';
import { ownDirectory, readBack } from '../../kit/captures.js';
import { startChild } from '../../kit/child.js';
import { run } from '../../kit/namespace.js';
import { tapOverNothing } from '../../kit/scripted-tap.js';

/** More than a pipe holds. */
const FRAMES = 400;
const FRAME_BYTES = 1000;
/** How long the other end lets the first wait. */
const LATE_MS = 100;

async function fifoOf(t: Test): Promise<{ directory: string; fifo: string }> {
  const directory = await ownDirectory(t);
  const fifo = join(directory, 'fifo');
  await run('mkfifo', fifo);
  return { directory, fifo };
}

/** Runs a command of the shell in a directory. */
function shell(t: Test, cwd: string, command: string) {
  const child = spawn('sh', ['-c', command], { cwd, stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  return { ended: once(child, 'exit') };
}

async function writeFrames(path: string): Promise<void> {
  const writer = await PcapngWriter.toFile(path);
  const id = writer.addInterface({ linkType: 'ethernet' });
  for (let n = 0; n < FRAMES; n++) writer.writeFrame({ interface: id, bytes: Buffer.alloc(FRAME_BYTES, n) });
  await writer.close();
}

t.test('written for a reader that comes late, and stalls', async (t) => {
  const { directory, fifo } = await fifoOf(t);
  const writing = writeFrames(fifo);
  await wait(LATE_MS);
  await shell(t, directory, `exec < fifo; sleep 0.${LATE_MS}; cat > out`).ended;
  await writing;
  const { frames } = await readBack(join(directory, 'out'));
  t.equal(frames.length, FRAMES);
  t.ok(frames.every(({ bytes }, n) => bytes.equals(Buffer.alloc(FRAME_BYTES, n))));
});

t.test('read of a writer that comes late, and stalls', async (t) => {
  const { directory, fifo } = await fifoOf(t);
  await writeFrames(join(directory, 'whole'));
  const reading = readBack(fifo);
  await wait(LATE_MS);
  const command = `exec > fifo; head -c 5000 whole; sleep 0.${LATE_MS}; tail -c +5001 whole`;
  await shell(t, directory, command).ended;
  t.equal((await reading).frames.length, FRAMES);
});

t.test('a capture whose reader goes', async (t) => {
  const { directory, fifo } = await fifoOf(t);
  const { tap } = tapOverNothing();
  const reader = shell(t, directory, 'head -c 10 fifo');
  const running = await capture(tap, fifo);
  tap.write(Buffer.alloc(FRAME_BYTES));
  await reader.ended;
  tap.write(Buffer.alloc(FRAME_BYTES));
  await t.rejects(running.finished, { code: 'EPIPE' });
  t.equal(tap.destroyed, false);
  tap.destroy();
});

t.test('a reader that never comes: the signal ends the capture, and nothing is held', async (t) => {
  const { fifo } = await fifoOf(t);
  const { tap } = tapOverNothing();
  const reason = new Error('enough');
  const aborter = new AbortController();
  const capturing = capture(tap, fifo, { signal: aborter.signal });
  await wait(LATE_MS);
  aborter.abort(reason);
  t.equal(await capturing.catch((error: unknown) => error), reason);
  t.equal(tap.destroyed, false);
  tap.destroy();
});

t.test('a writer that never comes: the reader can be closed', async (t) => {
  const { fifo } = await fifoOf(t);
  const reader = new PcapngReader(fifo);
  const reading = t.rejects(reader[Symbol.asyncIterator]().next(), { code: 'ERR_TAPFD_CLOSED' });
  await wait(LATE_MS);
  reader.close();
  await reading;
});

for (const end of ['write', 'read']) {
  t.test(`a process that waits to ${end} can exit`, async (t) => {
    const { fifo } = await fifoOf(t);
    const child = startChild(
      `import { PcapngReader, PcapngWriter } from 'tapfd/capture';
       const [, fifo, end] = process.argv;
       if (end === 'write') PcapngWriter.toFile(fifo);
       else new PcapngReader(fifo)[Symbol.asyncIterator]().next();
       setTimeout(() => process.exit(7), ${LATE_MS});`,
      [fifo, end],
    );
    t.match(await child.ended, { code: 7 });
  });
}
