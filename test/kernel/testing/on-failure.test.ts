/** The traffic of a test that failed: saved, whatever the failure was. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PcapngReader } from 'tapfd/capture';
import { createTestNetwork, expectFrame, type FrameExpectationError, withTestNetwork } from 'tapfd/testing';
import { fileNeeds } from '../../kit/capabilities.js';
import { numberedFrame, numberOf } from '../../kit/tap-pair.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

async function numbersIn(path: string): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { bytes } of new PcapngReader(path)) numbers.push(numberOf(bytes));
  return numbers;
}

t.test('an expectation that fails saves the traffic of all devices, and names the file', async (t) => {
  const path = join(t.testdir(), 'not/there/yet.pcapng');
  await using net = await createTestNetwork({ onFailure: path });
  await net.bridge('br0');
  const [a, b] = [await net.tap({ bridge: 'br0' }), await net.tap({ bridge: 'br0' })];
  a.write(numberedFrame(1));
  await expectFrame(b, () => true);
  t.notOk(existsSync(path));
  const failing = expectFrame(b, () => true, { timeoutMs: 10 });
  const error: FrameExpectationError = await failing.then(
    () => t.fail(),
    (error) => error,
  );
  t.equal(error.savedTo, path);
  t.match(error.message, new RegExp(`the traffic was saved: ${path}$`));
  t.match(error.stack, /the traffic was saved: .*\n +at /);
  t.same(await numbersIn(path), [1, 1], 'written to one, read from the other');
  const log = net.capture(b);
  a.write(numberedFrame(2));
  await t.rejects(
    log.none(() => true),
    { code: /ERR_TAPFD_FRAME/, savedTo: path },
  );
  t.same(await numbersIn(path), [1, 1, 2, 2]);
  await t.rejects(log.expect({ arp: {} }, { within: 1 }), { code: /ERR_TAPFD_FRAME/, savedTo: path });
});

t.test('a function that throws, fail(), and the signal', async (t) => {
  const directory = t.testdir();
  const thrown = join(directory, 'thrown.pcapng');
  const failing = withTestNetwork({ onFailure: thrown }, async (net) => {
    (await net.tap()).write(numberedFrame(3));
    throw new Error('the test failed');
  });
  await t.rejects(failing, { message: 'the test failed' });
  t.same(await numbersIn(thrown), [3]);
  const told = join(directory, 'told.pcapng');
  const controller = new AbortController();
  const net = await createTestNetwork({ onFailure: told, signal: controller.signal });
  const tap = await net.tap();
  t.equal(await net.fail(), told);
  t.same(await numbersIn(told), []);
  tap.write(numberedFrame(4));
  controller.abort();
  await once(tap, 'close');
  t.same(await numbersIn(told), [4]);
  await net.close();
  await using without = await createTestNetwork();
  t.equal(await without.fail(), undefined);
});

t.test('a file that cannot be written hides no failure', async (t) => {
  const onFailure = '/dev/null/no.pcapng';
  await using net = await createTestNetwork({ onFailure });
  const tap = await net.tap();
  await t.rejects(
    expectFrame(tap, () => false, { timeoutMs: 1 }),
    {
      code: 'ERR_TAPFD_FRAME_EXPECTED',
      message: /\n\nthe traffic was not saved: Error: EEXIST/,
      savedTo: undefined,
    },
  );
  await t.rejects(net.fail());
  const failing = withTestNetwork({ onFailure }, () => Promise.reject(new Error('the test failed')));
  await t.rejects(failing, { message: 'the test failed' });
});

t.test('of much traffic the oldest goes first', async (t) => {
  const path = join(t.testdir(), 'much.pcapng');
  await using net = await createTestNetwork({ onFailure: path });
  const tap = await net.tap({ mtu: 65_000 });
  for (let number = 0; number < 600; number++) tap.write(numberedFrame(number, 60_000));
  await net.fail();
  const numbers = await numbersIn(path);
  t.equal(numbers.at(-1), 599);
  t.ok(numbers.length > 500 && numbers.length < 600, `${numbers.length}`);
});
