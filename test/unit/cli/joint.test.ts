/** A device and a peer, joined: what happens when one of them takes no more, or ends. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FrameEncoder } from 'tapfd';
import { createFramePair } from 'tapfd/testing';
import { Joint } from '#lib/cli/relay/joint.js';

const FRAME = Buffer.alloc(60, 1);

async function socketPair(): Promise<[Socket, Socket]> {
  const server = createServer().listen(join(tmpdir(), `tapfd-joint-${process.pid}.sock`));
  await once(server, 'listening');
  const accepted: Promise<Socket[]> = once(server, 'connection');
  const one = connect(String(server.address()));
  const [other] = await accepted;
  server.close();
  if (other === undefined) throw new Error('no socket');
  return [one, other];
}

t.test('a device that takes no more holds the peer back, and nothing is lost', async (t) => {
  const [near, far] = await createFramePair();
  const [socket, peer] = await socketPair();
  const joint = new Joint(near, 'u32be');
  const served = joint.serve(socket);
  const encoder = new FrameEncoder();
  encoder.pipe(peer);
  const COUNT = 3000;
  for (let i = 0; i < COUNT; i++) encoder.write(FRAME);
  encoder.end();
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (near.writableNeedDrain) resolve();
      else setImmediate(look);
    };
    look();
  });
  t.ok(joint.counters.fromPeer < COUNT);
  let seen = 0;
  for await (const batch of far.batches()) {
    seen += batch.length;
    if (seen === COUNT) break;
  }
  await served;
  t.same(joint.counters, { toPeer: 0, fromPeer: COUNT, dropped: 0, refused: 0 });
  await Promise.all([near.close(), far.close()]);
});

t.test('a device that is closed ends the reading with an error', async (t) => {
  const [near, far] = await createFramePair();
  const reading = new Joint(near, 'u32be').readDevice();
  await near.close();
  await t.rejects(reading, { code: /ERR_/ });
  await far.close();
});
