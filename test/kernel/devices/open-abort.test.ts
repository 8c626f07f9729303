/** The option `signal`: an open that is aborted leaves nothing, whenever that happens. */
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import t from 'tap';
import { adoptFd, type FrameStream, openMacvtap, openTap, openTun } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { ownNamespace } from '../../kit/namespace.js';
import { descriptorsOf, leftDescriptors } from '../../kit/open-files.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

t.test('aborted opens', { skip: needs('root', 'tun-device', 'macvtap', 'veth', 'ip') }, async (t) => {
  const network = await ownNamespace(t);
  const netns = network.name;
  await network.wire('wire', 'far');
  const FIXED_LINKS = await network.linkNames();

  const openings: Record<string, (signal: AbortSignal) => Promise<FrameStream>> = {
    'openTap, persistent': (signal) => openTap({ netns, name: 'doomed', persist: true, signal }),
    openTun: (signal) => openTun({ netns, name: 'doomed', signal }),
    'openMacvtap, persistent': (signal) =>
      openMacvtap({ netns, name: 'doomed', lower: 'wire', persist: true, signal }),
    openMacvtap: (signal) => openMacvtap({ netns, name: 'doomed', lower: 'wire', signal }),
  };

  for (const [name, opening] of Object.entries(openings)) {
    t.test(`${name}: aborted before`, async (t) => {
      const before = descriptorsOf();
      const reason = new Error('changed my mind');
      await t.rejects(opening(AbortSignal.abort(reason)), reason);
      await t.rejects(opening(AbortSignal.abort()), { name: 'AbortError' });
      t.strictSame(await network.linkNames(), FIXED_LINKS);
      t.strictSame(await leftDescriptors(before), []);
    });

    t.test(`${name}: aborted at any turn of the event loop until it is open`, async (t) => {
      const warm = await opening(new AbortController().signal);
      await destroyed(warm);
      const before = descriptorsOf();
      let aborted = 0;
      for (let turns = 0; ; turns += 1) {
        const controller = new AbortController();
        let settled = false;
        const outcome = opening(controller.signal)
          // Open already: the signal is that of its life, and ends it by an error.
          .then((device) => device.on('error', () => undefined))
          .catch((error: Error) => error)
          .finally(() => {
            settled = true;
          });
        for (let turn = 0; turn < turns && !settled; turn += 1) await new Promise(setImmediate);
        const tooLate = settled;
        controller.abort();
        const result = await outcome;
        if (!(result instanceof Error)) {
          await destroyed(result);
          if (tooLate) break;
          continue; // the signal came with the answer
        }
        t.equal(result.name, 'AbortError');
        aborted += 1;
        if (turns % 10 === 0) t.strictSame(await network.linkNames(), FIXED_LINKS, `after ${turns} turns`);
      }
      t.ok(aborted > 0, `${aborted} aborted`);
      t.strictSame(await network.linkNames(), FIXED_LINKS);
      t.strictSame(await leftDescriptors(before), []);
    });
  }

  /** Waits until it is destroyed, and its link too. */
  async function destroyed(device: FrameStream): Promise<void> {
    await device[Symbol.asyncDispose]();
    if ((await network.link('doomed')) !== undefined) await network.ip('link', 'delete', 'doomed');
  }

  t.test('adoptFd: aborted, the descriptor stays the callers', async (t) => {
    const device = await openTap({ netns, name: 'mine' });
    const fd = device.handOff();
    const controller = new AbortController();
    const outcome = adoptFd(fd, { netns, signal: controller.signal });
    await new Promise(setImmediate);
    controller.abort();
    await t.rejects(outcome, { name: 'AbortError' });
    t.ok(await network.link('mine'), 'still open');
    const adopted = await adoptFd(fd, { netns });
    t.equal(adopted.fd, fd, 'and free to be adopted');
    await adopted[Symbol.asyncDispose]();
  });

  t.test('a signal that comes when the device is open ends it', async (t) => {
    const controller = new AbortController();
    const device = await openTap({ netns, name: 'ended', signal: controller.signal });
    const error = once(device, 'error');
    controller.abort();
    t.match(await error, [{ name: 'AbortError' }]);
    await device.close();
    t.strictSame(await network.linkNames(), FIXED_LINKS);
  });

  t.test('the namespace that was given as a descriptor stays open', async (t) => {
    const file = await open(network.path);
    await t.rejects(openTap({ netns: file.fd, signal: AbortSignal.abort() }), { name: 'AbortError' });
    await file.stat();
    await file.close();
  });
});
