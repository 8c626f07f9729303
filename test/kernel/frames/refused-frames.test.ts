/** Frames that the kernel refuses: each costs itself, and never the device. */
import { once } from 'node:events';
import t from 'tap';
import { forward, type TapOptions } from 'tapfd';
import { fileNeeds } from '../../kit/capabilities.js';
import { superFrame } from '../../kit/super-frames.js';
import { collect, numberedFrame, numberOf, tapPair, written } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'bridge');
t.setTimeout(60_000);

const TOO_LONG = { code: 'ERR_TAPFD_FRAME_TOO_LONG', recoverable: true };
/** Of a super-frame of 65,535 bytes, the longest that the kernel passes on whole (`gso_max_size`). */
const MAX_PAYLOAD = 65_535 - 54;
/** tun.c tun_napi_alloc_frags: a frame of more than 65,471 bytes is EMSGSIZE. */
const fragments: TapOptions = { napi: 'frags' };

t.test('a frame within the MTU that the driver finds too long fails alone', async (t) => {
  const { a, b } = await tapPair(t, { ...fragments, mtu: 65_521 });
  const arrived = collect(b, 2);
  t.equal(await written(a, numberedFrame(1)), null);
  const error = await written(a, numberedFrame(2, 65_535));
  t.match(error, { ...TOO_LONG, message: /65535 bytes .*EMSGSIZE/ });
  t.equal(await written(a, numberedFrame(3)), null);
  t.same((await arrived).map(numberOf), [1, 3]);
  const batch = [numberedFrame(4), numberedFrame(5, 65_535), numberedFrame(6)];
  await t.rejects(a.writeBatch(batch), { ...TOO_LONG, framesTaken: 2 });
  t.equal(a.destroyed, false);
  t.same(a.stats.sent.drops, { 'too-long': 2 });
  t.equal(a.stats.sent.frames, 4);
});

t.test('a super-frame of a neighbour that the driver finds too long is lost and counted', async (t) => {
  const offload: TapOptions = { vnetHeader: true, offload: ['csum', 'tso4', 'tso6'] };
  const { a: neighbour, b: from } = await tapPair(t, offload);
  const { a: to } = await tapPair(t, { ...offload, ...fragments });
  const stop = new AbortController();
  const forwarding = forward(from, to, { signal: stop.signal });
  const dropped = once(to, 'drop');
  neighbour.write(superFrame(Buffer.alloc(MAX_PAYLOAD, 7), 1000));
  t.same(await dropped, [{ direction: 'send', reason: 'too-long', count: 1 }]);
  stop.abort();
  t.same(await forwarding, { frames: 0, lost: 1 });
  t.equal(to.destroyed, false);
});
