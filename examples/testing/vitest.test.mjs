/** The test kit under Vitest: `npx vitest run examples/testing/vitest.test.mjs`. */
import { createTestNetwork } from 'tapfd/testing';
import { expect, onTestFailed, onTestFinished, test } from 'vitest';
import { answerArpUntilClosed } from './arp-responder.mjs';
import { tryTimeOut } from './time-out.mjs';

test('the kernel learns the MAC', async ({ signal }) => {
  const net = await createTestNetwork({ signal, onFailure: '.cache/failed/vitest.pcapng' });
  onTestFailed(() => net.fail());
  onTestFinished(() => net.close());
  const tap = await net.tap({ addresses: ['10.0.0.1/24'] });
  const answering = answerArpUntilClosed(tap, '10.0.0.7', '02:00:00:00:00:77');
  await net.exec('ping', ['-c', '1', '-W', '1', '10.0.0.7']).catch(() => undefined);
  const { stdout } = await net.exec('ip', ['neighbour']);
  expect(stdout).toMatch(/^10\.0\.0\.7 .* lladdr 02:00:00:00:00:77/);
  await net.close();
  await answering;
});

test.skipIf(!process.env.TRY_TIME_OUT)('one that times out', { timeout: 1000 }, async ({ signal }) => {
  await tryTimeOut(await createTestNetwork({ signal }));
});
