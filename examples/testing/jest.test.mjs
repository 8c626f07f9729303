/** The test kit under Jest: `node --experimental-vm-modules node_modules/jest/bin/jest.js examples/testing/jest.test.mjs`. */
import { afterEach, expect, test } from '@jest/globals';
import { createTestNetwork } from 'tapfd/testing';
import { answerArpUntilClosed } from './arp-responder.mjs';
import { tryTimeOut } from './time-out.mjs';

let net;
// Also when the test fails or times out.
afterEach(() => net?.close());

test('the kernel learns the MAC', async () => {
  net = await createTestNetwork({ onFailure: '.cache/failed/jest.pcapng' });
  const tap = await net.tap({ addresses: ['10.0.0.1/24'] });
  const answering = answerArpUntilClosed(tap, '10.0.0.7', '02:00:00:00:00:77');
  await net.exec('ping', ['-c', '1', '-W', '1', '10.0.0.7']).catch(() => undefined);
  const { stdout } = await net.exec('ip', ['neighbour']);
  expect(stdout).toMatch(/^10\.0\.0\.7 .* lladdr 02:00:00:00:00:77/);
  await net.close();
  await answering;
});

const testIf = process.env.TRY_TIME_OUT ? test : test.skip;
testIf(
  'one that times out',
  async () => {
    net = await createTestNetwork();
    await tryTimeOut(net);
  },
  1000,
);
