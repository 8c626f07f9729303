/** A capture of a device that is deleted, and in a worker thread. */
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { openTap } from 'tapfd';
import { capture } from 'tapfd/capture';
import { fileNeeds } from '../../kit/capabilities.js';
import { Collected, ownDirectory, readBack } from '../../kit/captures.js';
import { runChild } from '../../kit/child.js';
import { closedWith } from '../../kit/closed-with.js';
import { quietNamespace } from '../../kit/namespace.js';
import { isNumbered, numberedFrame, numberOf, written } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'netns', 'ip');

t.test('a device that is deleted ends its part, and the capture of its own', async (t) => {
  const ns = await quietNamespace(t);
  const tap = closedWith(t, await openTap({ netns: ns.name }));
  const file = new Collected();
  const running = await capture(tap, file);
  await written(tap, numberedFrame(1));
  const failed = once(tap, 'error');
  tap.resume();
  await ns.ip('link', 'delete', tap.name);
  t.match((await failed)[0], { code: 'ERR_TAPFD_DEVICE_GONE' });
  t.match(await running.finished, { written: 1 });
  const { frames, section } = await readBack(file.bytes);
  t.same(
    frames.filter(({ bytes }) => isNumbered(bytes)).map(({ bytes }) => numberOf(bytes)),
    [1],
  );
  t.equal(section.interfaces[0]?.statistics?.delivered, 1n);
});

t.test('in a worker thread', async (t) => {
  const ns = await quietNamespace(t);
  const path = join(await ownDirectory(t), 'worker.pcapng');
  const { code, errors } = await runChild(
    `
    import { Worker } from 'node:worker_threads';
    const [, netns, path] = process.argv;
    const text = \`
      import { workerData } from 'node:worker_threads';
      import { openTap } from 'tapfd';
      import { capture } from 'tapfd/capture';
      const tap = await openTap({ netns: workerData.netns });
      const running = await capture(tap, workerData.path);
      await tap.writeBatch([Buffer.alloc(60, 0xff), Buffer.alloc(61, 0xff)]);
      await running.close();
      await tap.close();
    \`;
    new Worker(new URL('data:text/javascript,' + encodeURIComponent(text.replace(/from '(tapfd[^']*)'/g, (_, name) => \`from '\${import.meta.resolve(name)}'\`))), { workerData: { netns, path } });
    `,
    [ns.name, path],
  );
  t.equal(code, 0, errors);
  const { frames } = await readBack(path);
  t.same(
    frames.map(({ bytes }) => bytes.length),
    [60, 61],
  );
});
