/** A test that never ends: what it holds must be gone when its runner has given it up. */
import { expectFrame } from 'tapfd/testing';

/** @param {import('tapfd/testing').TestNetwork} net */
export async function tryTimeOut(net) {
  const tap = await net.tap();
  const sleeping = net.spawn('sh', ['-c', 'sleep "$0" & wait', process.env.TRY_TIME_OUT]);
  console.log(`holds ${tap.name}, and the program ${sleeping.pid}`);
  await expectFrame(tap, () => false, { timeoutMs: 600_000 });
}
