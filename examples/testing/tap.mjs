/** The test kit under tap: `npx tap run examples/testing/tap.mjs`. */
import t from 'tap';
import { createTestNetwork } from 'tapfd/testing';
import { answerArpUntilClosed } from './arp-responder.mjs';
import { tryTimeOut } from './time-out.mjs';

t.test('the kernel learns the MAC', async (t) => {
  const net = await createTestNetwork({ onFailure: '.cache/failed/tap.pcapng' });
  // Also when the test fails or times out.
  t.teardown(() => net.close());
  const tap = await net.tap({ addresses: ['10.0.0.1/24'] });
  const answering = answerArpUntilClosed(tap, '10.0.0.7', '02:00:00:00:00:77');
  await net.exec('ping', ['-c', '1', '-W', '1', '10.0.0.7']).catch(() => undefined);
  const { stdout } = await net.exec('ip', ['neighbour']);
  t.match(stdout, /^10\.0\.0\.7 .* lladdr 02:00:00:00:00:77/);
  await net.close();
  await answering;
});

t.test('one that times out', { skip: !process.env.TRY_TIME_OUT, timeout: 1000 }, async (t) => {
  const net = await createTestNetwork();
  t.teardown(() => net.close());
  await tryTimeOut(net);
});
