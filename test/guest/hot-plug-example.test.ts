/** The example that plugs a card into a running guest. */
import { dirname } from 'node:path';
import t from 'tap';
import { needs } from '../kit/capabilities.ts';
import { runExample } from '../kit/examples.js';
import { guestImage } from '../kit/guest-image.ts';

t.setTimeout(240_000);

t.test(
  'a card in and out of a running guest',
  { skip: needs('root', 'tun-device', 'bridge', 'guest') },
  async (t) => {
    const output = await runExample(t, 'hot-plug', [dirname(guestImage().kernel)]);
    t.match(output, /has one with 52:54:00:.* after [0-9.]+ s\nJavaScript answered 2 pings\n/);
    t.match(output, /the cable was pulled\nthe card is gone: lo is left in the guest\n$/);
    t.comment(output);
  },
);
