/** Reading lists of links: shared by those who wait, and few at a time. */
import t from 'tap';
import type { NativeLinkList } from '#lib/base/native-links.js';
import { listLinks } from '#lib/links/read.js';
import { failure, Handle, settle } from '../../kit/fake-link-kernel.js';

/** Lists that end when they are told to. */
function gatedPort() {
  const pending: { end: (list: NativeLinkList) => void; fail: (error: Error) => void }[] = [];
  let begun = 0;
  return {
    pending,
    get begun() {
      return begun;
    },
    listLinks: () => {
      begun += 1;
      return new Promise<NativeLinkList>((end, fail) => pending.push({ end, fail }));
    },
  };
}

t.test('at most two lists hold a thread of the pool, whatever the number of calls', async (t) => {
  const port = gatedPort();
  const lists = Array.from({ length: 7 }, () => listLinks('test', new Handle(), port));
  await settle();
  t.equal(port.begun, 2);
  for (let ended = 1; ended <= 7; ended++) {
    port.pending.shift()?.end({ links: [], consistent: true });
    await settle();
    t.equal(port.begun, Math.min(7, ended + 2));
  }
  await Promise.all(lists);
});

t.test('calls that wait at the same time share a list that begins after all of them', async (t) => {
  const port = gatedPort();
  const ns = new Handle();
  const first = listLinks('test', ns, port);
  const together = listLinks('test', ns, port);
  await settle();
  t.equal(port.begun, 1);
  const later = listLinks('test', ns, port);
  await settle();
  t.equal(port.begun, 2, 'a list that has begun may be too old for it');
  const last = [listLinks('test', ns, port), listLinks('test', ns, port)];
  await settle();
  t.equal(port.begun, 2);
  for (const consistent of [true, false]) port.pending.shift()?.end({ links: [], consistent });
  await settle();
  t.equal(port.begun, 3);
  port.pending.shift()?.fail(failure('EMFILE'));
  t.same(await Promise.all([first, together, later]), [
    { links: [], consistent: true },
    { links: [], consistent: true },
    { links: [], consistent: false },
  ]);
  for (const failed of last) await t.rejects(failed, { code: 'EMFILE', message: /^test: / });
  const again = listLinks('test', ns, port);
  await settle();
  port.pending.shift()?.end({ links: [], consistent: true });
  await again;
});
