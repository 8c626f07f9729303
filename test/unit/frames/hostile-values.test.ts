/** Batches and frames that are not what they seem, and batches that are changed while they wait. */
import t from 'tap';
import { encodeVnetHeader, FrameDecoder, FrameEncoder, forward, Tap } from 'tapfd';
import { FrameBatch } from '#lib/frames/batch.js';
import { tapOverNothing } from '../../kit/scripted-tap.js';

const frame = () => Buffer.alloc(60, 1);
const REFUSED = { name: 'TapfdError', code: 'ERR_TAPFD_INVALID_ARGUMENT' };

/** A frame of 60 bytes that says it has `length`. */
function lying(length: unknown): Uint8Array {
  return Object.defineProperty(new Uint8Array(60), 'length', { value: length });
}

class Longer extends Uint8Array {
  override get length(): number {
    return 4000;
  }
}

t.test('a batch that waits behind others is left as it is from the call on', async (t) => {
  const { tap, takes } = tapOverNothing();
  tap.cork();
  const batch = FrameBatch.of([frame(), frame()]);
  const written = tap.writeBatch(batch);
  t.ok(batch.held, 'what reads batches gives the next one other memory');
  t.throws(() => batch.remove(0), { code: 'ERR_TAPFD_INVALID_STATE' });
  tap.uncork();
  takes(10);
  await written;
  t.notOk(batch.held);
  batch.remove(0);
  await tap.close();
});

t.test('a batch that fails while it waits behind others is free again', async (t) => {
  const { tap } = tapOverNothing();
  tap.cork();
  const batch = FrameBatch.of([frame()]);
  const written = tap.writeBatch(batch);
  tap.destroy();
  await t.rejects(written, { code: 'ERR_TAPFD_CLOSED' });
  t.notOk(batch.held);
  await tap.close();
});

t.test('what is no batch, or no longer, is refused at the call, and holds up nothing', async (t) => {
  const { tap } = tapOverNothing();
  const expired = FrameBatch.of([frame()]);
  expired.expire();
  for (const corked of [false, true]) {
    if (corked) tap.cork();
    const revoked = Proxy.revocable([], {});
    revoked.revoke();
    for (const batch of [new Proxy(FrameBatch.of([frame()]), {}), Object.create(FrameBatch.prototype)]) {
      await t.rejects(tap.writeBatch(batch), REFUSED);
    }
    await t.rejects(tap.writeBatch(revoked.proxy as Buffer[]), REFUSED);
    await t.rejects(tap.writeBatch(expired), { code: 'ERR_TAPFD_INVALID_STATE' });
  }
  const later = tap.writeBatch([frame()]);
  tap.uncork();
  t.equal(await later, 1);
  await tap.close();
});

t.test('a frame with a length that is not its own is refused: it would send other memory', async (t) => {
  const { tap, written } = tapOverNothing();
  for (const bytes of [lying(1400), lying(20), lying(-1), lying('60'), lying(4e9), new Longer(60)]) {
    t.throws(() => tap.write(bytes), REFUSED);
    await t.rejects(tap.writeBatch([bytes]), REFUSED);
    t.throws(() => FrameBatch.of([frame()]).append(bytes), REFUSED);
    const encoder = new FrameEncoder();
    const failed = new Promise((resolve) => encoder.once('error', resolve));
    encoder.write(bytes);
    t.match(await failed, REFUSED);
  }
  t.same(written, []);
  t.same(tap.stats.sent, { frames: 0, bytes: 0, drops: {} });
  await tap.close();
});

t.test('a frame that is too long is refused before memory for it is asked for', async (t) => {
  const encoder = new FrameEncoder();
  const failed = new Promise((resolve) => encoder.once('error', resolve));
  // No page of it is ever touched.
  encoder.write(new Uint8Array(2 ** 32));
  t.match(await failed, { code: 'ERR_TAPFD_FRAME_TOO_LONG' });
  t.ok(new FrameDecoder());
});

t.test('forward() takes devices, and no Proxy of one or object made on its prototype', async (t) => {
  const { tap } = tapOverNothing();
  for (const device of [new Proxy(tap, {}), Object.create(Tap.prototype)]) {
    await t.rejects(forward(device, tap), REFUSED);
    await t.rejects(forward(tap, device), REFUSED);
  }
  await tap.close();
});

t.test("a transform's promise that settles twice counts once", async (t) => {
  const [from, to] = [tapOverNothing(), tapOverNothing()];
  const controller = new AbortController();
  const forwarding = forward(from.tap, to.tap, {
    signal: controller.signal,
    transform: () =>
      ({
        // biome-ignore lint/suspicious/noThenProperty: what is tested
        then: (resolve: (frames: Buffer[]) => void, reject: (error: Error) => void) => {
          resolve([frame()]);
          resolve([frame()]);
          reject(new Error('after all'));
        },
      }) as unknown as Promise<Buffer[]>,
  });
  from.burst(1, undefined, 0, 0);
  await new Promise(setImmediate);
  controller.abort();
  t.same(await forwarding, { frames: 1, lost: 0 });
  t.equal(to.written.length, 1);
  await Promise.all([from.tap.close(), to.tap.close()]);
});

t.test('a revoked Proxy as options is refused like any other value', (t) => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  t.throws(() => encodeVnetHeader(proxy), REFUSED);
  t.throws(() => new FrameDecoder(proxy), REFUSED);
  t.end();
});
