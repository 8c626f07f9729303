/** `npm run demo -- --two-hosts`: the script's way to the example that two-hosts.test.ts examines. */
import t from 'tap';
import { needs } from '../kit/capabilities.ts';
import { runDemo } from '../kit/run-demo.ts';

const NETWORK = ['root', 'tun-device', 'bridge', 'veth', 'vxlan', 'macvtap', 'tcpdump'] as const;

t.setTimeout(240_000);

t.test('without guests', { skip: needs(...NETWORK) }, async (t) => {
  const { status, output } = await runDemo(['--two-hosts', '--no-guests']);
  t.equal(status, 0);
  if (status !== 0) t.comment(output);
  t.match(output, 'JavaScript on host A pings JavaScript on host B');
  t.match(output, 'guests off, devices closed, namespaces removed');
});
