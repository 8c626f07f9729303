/** The test kit under node:test: `node --test examples/testing/node-test.mjs`, as root or, with /dev/net/tun open, without. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestNetwork } from 'tapfd/testing';
import { answerArpUntilClosed } from './arp-responder.mjs';
import { tryTimeOut } from './time-out.mjs';

test('the kernel learns the MAC', async (t) => {
  // The signal of the test: one that times out closes its network.
  const net = await createTestNetwork({ signal: t.signal, onFailure: '.cache/failed/node-test.pcapng' });
  t.after(() => net.close());
  const tap = await net.tap({ addresses: ['10.0.0.1/24'] });
  const answering = answerArpUntilClosed(tap, '10.0.0.7', '02:00:00:00:00:77');
  await net.exec('ping', ['-c', '1', '-W', '1', '10.0.0.7']).catch(() => undefined);
  const { stdout } = await net.exec('ip', ['neighbour']);
  assert.match(stdout, /^10\.0\.0\.7 .* lladdr 02:00:00:00:00:77/);
  await net.close();
  await answering;
});

test('one that times out', { skip: !process.env.TRY_TIME_OUT, timeout: 1000 }, async (t) => {
  const net = await createTestNetwork({ signal: t.signal });
  await tryTimeOut(net);
});
