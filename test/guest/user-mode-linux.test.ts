/** User-mode Linux with a card on a TAP that it gets as a descriptor. */
import t from 'tap';
import { needs } from '../kit/capabilities.ts';
import { runExample } from '../kit/examples.ts';
import { guestImage } from '../kit/guest-image.ts';

t.setTimeout(180_000);

t.test(
  'kernel and guest ping each other',
  { skip: needs('root', 'tun-device', 'ping', 'user-mode-linux') },
  async (t) => {
    const output = await runExample(t, 'user-mode-linux', [guestImage().initramfs]);
    const pid = Number(/ runs as process (\d+)/.exec(output)?.[1]);
    t.match(output, 'its card: 52:54:00:89:00:02, 10.89.0.2');
    t.match(output, 'the kernel: 3 packets transmitted, 3 received');
    t.match(output, 'the guest: 3 packets transmitted, 3 packets received');
    t.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, 'it has ended');
  },
);
