/** A unit test of code that takes a device: frames in memory, no kernel, no privilege. Run it with `node --test`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame } from 'tapfd/packets';
import { captureFrames, createFramePair } from 'tapfd/testing';
import { answerArpUntilClosed } from './arp-responder.mjs';

const MAC = '02:00:00:00:00:77';
const ASKER = '02:00:00:00:00:01';

/** @param {string} targetAddress */
const question = (targetAddress) =>
  encodeFrame({
    ethernet: { source: ASKER, destination: 'ff:ff:ff:ff:ff:ff' },
    arp: { operation: 'request', senderMac: ASKER, senderAddress: '10.0.0.1', targetAddress },
  });

test('answers for its own address, and for no other', async () => {
  const pair = await createFramePair();
  const answering = answerArpUntilClosed(pair.a, '10.0.0.7', MAC);
  const seen = captureFrames(pair.b);
  pair.b.write(question('10.0.0.8'));
  pair.b.write(question('10.0.0.7'));
  const { packet } = await seen.expect({
    ethernet: { source: MAC, destination: ASKER },
    arp: { operation: 'reply', senderMac: MAC, senderAddress: '10.0.0.7', targetAddress: '10.0.0.1' },
  });
  assert.deepEqual(packet.problems, []);
  await seen.none({ arp: {} }, { for: 50 });
  await pair.close();
  await answering;
});
