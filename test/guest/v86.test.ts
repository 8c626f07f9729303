/** A guest inside Node, the emulator v86, on the Duplex of a TAP and of a macvtap. */
import t from 'tap';
import { findV86Image } from '#scripts/guest/v86-image.mjs';
import { needs } from '../kit/capabilities.ts';
import { runExample } from '../kit/examples.ts';

// The very first run boots the machine and saves its state, which takes one processor a while.
t.setTimeout(280_000);

t.test(
  'kernel and guest ping each other, on a TAP and on a macvtap',
  { skip: needs('root', 'tun-device', 'veth', 'macvtap', 'ping', 'v86') },
  async (t) => {
    const output = await runExample(t, 'v86', [findV86Image()?.directory ?? '']);
    for (const [device, address] of [
      ['tap0', '10.86.0.2'],
      ['macvtap0', '10.87.0.2'],
    ]) {
      t.match(output, `${device}: Linux `);
      t.match(output, ` i686 with 52:54:00:86:00:02 and ${address}`);
      t.match(output, `${device}: the kernel: 5 packets transmitted, 5 received`);
      t.match(output, `${device}: the guest: 5 packets transmitted, 5 packets received`);
      // At least ten echoes and their answers.
      const [, received, sent] =
        new RegExp(`${device}: frames to the guest: (\\d+), from it: (\\d+)`).exec(output) ?? [];
      t.ok(Number(received) >= 10 && Number(sent) >= 10, `${received} frames to it, ${sent} from it`);
    }
    t.notMatch(output, 'No buffer', 'no frame came before the guest could take it');
  },
);
