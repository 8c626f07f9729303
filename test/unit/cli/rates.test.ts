/** Rates and queues between two samples. */
import t from 'tap';
import { styleFor } from '#lib/cli/terminal/style.js';
import { widthOf } from '#lib/cli/terminal/text.js';
import { parseQueues } from '#lib/cli/top/queues.js';
import { Rates } from '#lib/cli/top/rates.js';
import type { DeviceSample } from '#lib/cli/top/sample.js';
import { ratesAsJson, ratesTable, short } from '#lib/cli/top/table.js';

function sample(facts: Partial<DeviceSample> = {}): DeviceSample {
  return {
    key: 'k',
    namespace: { key: 'n', path: '/run/netns/n', label: 'box', own: false, links: [] },
    kind: 'tap',
    name: 'tap0',
    toProgram: { frames: 0, bytes: 0 },
    fromProgram: { frames: 0, bytes: 0 },
    drops: 0,
    unread: 0,
    isPersistent: false,
    queueLength: 100,
    ...facts,
  };
}

t.test('rates are differences by time', async (t) => {
  const rates = new Rates({
    at: 1000,
    devices: [sample({ toProgram: { frames: 100, bytes: 1000 }, drops: 4 })],
  });
  const next = rates.next({
    at: 3000,
    devices: [
      sample({
        toProgram: { frames: 300, bytes: 5000 },
        fromProgram: { frames: 2, bytes: 100 },
        drops: 10,
        unread: 7,
      }),
      sample({ key: 'new', toProgram: { frames: 1000, bytes: 1000 } }),
    ],
  });
  t.equal(next.seconds, 2);
  t.match(next.devices, [
    { toProgram: { frames: 100, bits: 16_000 }, fromProgram: { frames: 1, bits: 400 }, drops: 3, queued: 7 },
    { toProgram: { frames: 0, bits: 0 } },
  ]);
  // A device of the same name that is another one.
  t.match(rates.next({ at: 4000, devices: [sample()] }).devices, [{ toProgram: { frames: 0 }, drops: 0 }]);
});

t.test('on a persistent device, frames that went with an earlier program are no queue', async (t) => {
  const at = (unread: number | undefined, isPersistent: boolean) => ({
    at: 0,
    devices: [sample({ unread, isPersistent })],
  });
  const rates = new Rates(at(40, true));
  const next = (unread: number | undefined, isPersistent: boolean) =>
    rates.next(at(unread, isPersistent)).devices[0]?.queued;
  t.same([next(42, true), next(30, true), next(31, true)], [2, 0, 1]);
  t.equal(next(500, false), 100, 'no more than the queue holds');
  t.equal(next(undefined, false), undefined);
});

t.test('numbers are short', async (t) => {
  t.same([0, 3, 3.24, 99.94, 99.96, 999, 999.6, 12_345, 1e6, 2.5e9, 3e12, 4e15].map(short), [
    ...['0 ', '3 ', '3.2 ', '99.9 ', '100 ', '999 ', '1.0 k', '12.3 k', '1.0 M', '2.5 G', '3.0 T', '4000 T'],
  ]);
});

t.test('queues that fill are marked', async (t) => {
  const style = styleFor({ isTTY: true }, {});
  const rate = { frames: 0, bits: 0 };
  const line = (queued: number | undefined) =>
    ratesTable([{ device: sample(), toProgram: rate, fromProgram: rate, drops: 1, queued }], style, 80)[1] ??
    '';
  t.match(line(10), / {2}10\/100$/);
  t.match(line(50), style.yellow('50/100'));
  t.match(line(95), style.red('95/100'));
  t.match(line(undefined), / -$/);
  t.match(line(1), 'box:tap0');
  const queueAsJson = (queued: number | undefined) =>
    JSON.parse(
      ratesAsJson(new Date(), 1, [
        { device: sample(), toProgram: rate, fromProgram: rate, drops: 1, queued },
      ]),
    ).devices[0].queue;
  t.same(queueAsJson(3), { frames: 3, length: 100 });
  t.equal(queueAsJson(undefined), null);
});

t.test('a table fits into 80 columns: of a long name, the namespace is cut', async (t) => {
  const style = styleFor({ isTTY: true }, {});
  const most = { frames: 999_400, bits: 999_400_000_000 };
  const device = sample({
    name: 'fifteenbytes123',
    kind: 'macvtap',
    queueLength: 1000,
    namespace: {
      key: 'n',
      path: '/proc/7/ns/net',
      label: 'of qemu-system-x86 (1234567)',
      own: false,
      links: [],
    },
  });
  const table = (width: number) =>
    ratesTable([{ device, toProgram: most, fromProgram: most, drops: 999_400, queued: 1000 }], style, width);
  const [head = '', line = ''] = table(80);
  t.ok(widthOf(head) <= 80, head);
  t.ok(widthOf(line) <= 80, line);
  t.match(line, 'fifteenbytes123');
  t.match(head, 'QUEUE');
  t.match(table(200)[1], 'of qemu-system-x86 (1234567):fifteenbytes123');
  t.match(table(84)[1], '…:fifteenbytes123');
  t.match(table(40)[1], 'fifteen…');
});

t.test('what tc prints', async (t) => {
  const text = JSON.stringify([
    { kind: 'fq_codel', dev: 'tap0', root: true, packets: 7 },
    { kind: 'noqueue', dev: 'br0', root: true, packets: 9 },
    { kind: 'fq_codel', dev: 'tap1', parent: ':1', packets: 3 },
    { kind: 'odd', dev: 'tap2', root: true },
  ]);
  t.same([...parseQueues(text)], [['tap0', 7]]);
  t.same([...parseQueues('{}')], []);
});
