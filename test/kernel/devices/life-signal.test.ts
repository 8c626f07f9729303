/** The signal of an opening is that of the device's life: it ends loops, closes the descriptor, and is let go in time. */
import { getEventListeners, once } from 'node:events';
import t from 'tap';
import { adoptFd, type FrameStream, openMacvtap, openTap, openTun, type Tap } from 'tapfd';
import { closeFd } from '#lib/fd-socket/fd-source.js';
import { fileNeeds } from '../../kit/capabilities.js';
import { closedWith } from '../../kit/closed-with.js';
import { ownNamespace } from '../../kit/namespace.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

t.test('an abort destroys the device, whatever opened it', async (t) => {
  const ns = await ownNamespace(t);
  await ns.wire('wire', 'far');
  const netns = ns.name;
  const first = closedWith(t, await openTap({ netns, multiQueue: true, carrier: true }));
  const openers: Record<string, (signal: AbortSignal) => Promise<FrameStream>> = {
    openTap: (signal) => openTap({ netns, signal }),
    openTun: (signal) => openTun({ netns, signal }),
    openMacvtap: (signal) => openMacvtap({ netns, lower: 'wire', signal }),
    openQueue: (signal) => first.openQueue({ signal }),
    adoptFd: async (signal) => adoptFd((await openTap({ netns })).handOff(), { netns, signal }),
  };
  const before = await ns.linkNames();
  for (const [name, open] of Object.entries(openers)) {
    const controller = new AbortController();
    const device = closedWith(t, await open(controller.signal));
    const reason = new Error(`enough of ${name}`);
    const ended = t.rejects(device[Symbol.asyncIterator]().next(), {
      name: 'AbortError',
      code: 'ABORT_ERR',
      cause: reason,
    });
    controller.abort(reason);
    await ended;
    t.ok(device.closed, name);
    t.equal(device.fd, -1);
    t.same(await ns.linkNames(), before, `${name}: nothing is left`);
  }
  const aborted = AbortSignal.abort(new Error('before'));
  await t.rejects(first.openQueue({ signal: aborted }), { message: 'before' });
  const during = new AbortController();
  const opening = first.openQueue({ signal: during.signal });
  during.abort();
  await t.rejects(opening, { name: 'AbortError' });
  const queue = (options: unknown) => Reflect.apply(first.openQueue, first, [options]) as Promise<Tap>;
  await t.rejects(queue({ signals: 1 }), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'signals' });
  await t.rejects(queue({ signal: 1 }), { code: 'ERR_TAPFD_INVALID_ARGUMENT', argument: 'signal' });
});

t.test("without a loop, the end is an 'error'", async (t) => {
  const ns = await ownNamespace(t);
  const controller = new AbortController();
  const tap = closedWith(t, await openTap({ netns: ns.name, signal: controller.signal }));
  const failed = once(tap, 'error');
  controller.abort();
  t.match(await failed, [{ name: 'AbortError', cause: controller.signal.reason }]);
});

t.test('many devices on one signal: no warning, and each lets it go at its end', async (t) => {
  const ns = await ownNamespace(t);
  const controller = new AbortController();
  const { signal } = controller;
  const warned = (warning: Error) => t.fail(warning);
  process.on('warning', warned);
  t.teardown(() => process.off('warning', warned));
  const taps: Tap[] = [];
  for (let i = 0; i < 11; i++) taps.push(closedWith(t, await openTap({ netns: ns.name, signal })));
  t.equal(listeners(signal), 1);
  const [given, ...others] = taps;
  const fd = given.handOff();
  for (const tap of others) await tap.close();
  t.equal(listeners(signal), 0);
  controller.abort();
  t.notOk(given.destroyed, 'a device that was handed off is not its own any more');
  await closeFd(fd);
});
