/** The example that answers pings, pinged by the kernel. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { fileNeeds } from '../kit/capabilities.js';
import { startExample } from '../kit/examples.js';
import { ownNamespace } from '../kit/namespace.js';
import { inRepo } from '../kit/paths.js';

fileNeeds(t, 'root', 'tun-device', 'ip', 'ping');

t.test('the kernel pings it', async (t) => {
  const ns = await ownNamespace(t);
  const program = startExample(t, 'ping-responder', [], ['ip', 'netns', 'exec', ns.name]);
  await program.printed('tap0 is up. Try: ping 10.77.0.2');
  t.equal(await ns.ping('10.77.0.2', 3), 3);
  t.equal(await ns.ping('10.77.0.3', 1), 0, 'it is one host');
  program.kill('SIGINT');
  const { output } = await program.ended;
  t.match(output, 'ARP, request who-has 10.77.0.2 tell 10.77.0.1');
  t.equal(output.match(/IP 10\.77\.0\.1 > 10\.77\.0\.2: ICMP echo request, id \d+, seq \d/g)?.length, 3);
  t.same(await ns.linkNames(), [], 'Ctrl-C takes the TAP along');
});

t.test('it is short', async (t) => {
  const [, code] = readFileSync(inRepo('examples/ping-responder.ts'), 'utf8').split(' */\n');
  t.ok(code.split('\n').filter((line) => line !== '').length <= 20);
});
