/** The picture: which wires there are, that nothing overlaps, and that names cannot break it. */
import t from 'tap';
import type { Link } from 'tapfd';
import type { Inventory } from '#lib/cli/machine/inventory.js';
import type { Namespace } from '#lib/cli/machine/namespaces.js';
import { placeWires } from '#lib/cli/map/lanes.js';
import { type Box, type Layout, layOut } from '#lib/cli/map/layout.js';
import { mermaidOf } from '#lib/cli/map/mermaid.js';
import { mapOf } from '#lib/cli/map/model.js';
import { roundedPath, svgOf } from '#lib/cli/map/svg.js';
import { findWires } from '#lib/cli/map/wires.js';

const STATS = {
  rxPackets: 0,
  txPackets: 0,
  rxBytes: 0,
  txBytes: 0,
  rxErrors: 0,
  txErrors: 0,
  rxDropped: 0,
  txDropped: 0,
  multicast: 0,
};

function link(index: number, name: string, facts: Partial<Link> = {}): Link {
  return {
    ...{
      index,
      name,
      alternativeNames: [],
      mtu: 1500,
      up: true,
      running: true,
      carrier: true,
      operState: 'up',
    },
    ...{
      loopback: false,
      promiscuous: false,
      arp: true,
      allMulticast: false,
      txQueueLength: 1000,
      txQueues: 1,
      rxQueues: 1,
    },
    ...{ alias: '', stats: STATS, ...facts },
  };
}

const veth = (index: number, name: string, lower: number, lowerNetnsId?: number, facts: Partial<Link> = {}) =>
  link(index, name, { kind: 'veth', lower, ...(lowerNetnsId !== undefined && { lowerNetnsId }), ...facts });

function namespace(key: string, links: Link[]): Namespace {
  return { key, path: `/run/netns/${key}`, label: key, own: key === 'a', links };
}

const namesOf = (namespaces: Namespace[]) =>
  findWires(namespaces).map(
    ({ a, b, isLower }) =>
      `${a.namespace.key}.${a.link.name} ${isLower ? '..' : '--'} ${b.namespace.key}.${b.link.name}`,
  );

t.test('wires are found, each once', async (t) => {
  t.same(namesOf([namespace('a', [veth(2, 'x', 3), veth(3, 'y', 2)])]), ['a.x -- a.y']);
  const a = namespace('a', [veth(5, 'x', 2, 0)]);
  const b = namespace('b', [veth(2, 'eth0', 5, 0)]);
  t.same(namesOf([a, b]), ['a.x -- b.eth0']);
  t.same(namesOf([a]), [], 'the other end is not visible');
});

t.test('a wire that may lead to two places is not drawn, unless another one tells', async (t) => {
  const a = namespace('a', [veth(5, 'x', 2, 0)]);
  const b = namespace('b', [veth(2, 'eth0', 5, 0)]);
  const c = namespace('c', [veth(2, 'eth0', 5, 0)]);
  t.same(namesOf([a, b, c]), []);
  // A second pair between a and b, which fits nowhere else, says what number 0 of a is.
  const a2 = namespace('a', [veth(5, 'x', 2, 0), veth(7, 'z', 9, 0)]);
  const b2 = namespace('b', [veth(2, 'eth0', 5, 0), veth(9, 'eth1', 7, 0)]);
  t.same(namesOf([a2, b2, c]), ['a.x -- b.eth0', 'a.z -- b.eth1']);
});

t.test('a lower device in another namespace', async (t) => {
  const a = namespace('a', [link(1, 'lo', { loopback: true }), link(4, 'eth0')]);
  const box = namespace('b', [
    link(9, 'mv', { kind: 'macvtap', lower: 4, lowerNetnsId: 3, mode: 'bridge' }),
    link(10, 'odd', { kind: 'macvlan', lower: 1, lowerNetnsId: 8 }),
  ]);
  t.same(namesOf([a, box]), ['b.mv .. a.eth0']);
  const bridge = namespace('a', [link(4, 'br0', { kind: 'bridge' })]);
  t.same(namesOf([bridge, box]), [], 'a bridge is no lower device');
});

/** Two that have more than a border in common. */
function overlapping(boxes: readonly Box[]): [Box, Box][] {
  return boxes.flatMap((a, i) =>
    boxes
      .slice(i + 1)
      .filter(
        (b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height,
      )
      .map((b): [Box, Box] => [a, b]),
  );
}

/** Boxes that a wire passes through. */
function crossed({ wires, nodes, holders, panels }: Layout): Box[] {
  const boxes = [...nodes, ...holders];
  const inside = (value: number, from: number, length: number) =>
    value > from + 0.5 && value < from + length - 0.5;
  const labels = panels.map(({ x, y, width }) => ({ x, y, width, height: 30 }));
  return wires.flatMap(({ points }) =>
    points.slice(1).flatMap((to, i) => {
      const from = points[i] ?? to;
      const [left, right] = [Math.min(from.x, to.x), Math.max(from.x, to.x)];
      const [top, bottom] = [Math.min(from.y, to.y), Math.max(from.y, to.y)];
      return [...boxes, ...labels].filter((box) =>
        from.x === to.x
          ? inside(from.x, box.x, box.width) && top < box.y + box.height - 0.5 && bottom > box.y + 0.5
          : inside(from.y, box.y, box.height) && left < box.x + box.width - 0.5 && right > box.x + 0.5,
      );
    }),
  );
}

/** A host with many bridges and lower devices, and as many boxes as wires. */
function large(): Inventory {
  const host: Link[] = [link(1, 'lo', { loopback: true }), link(2, 'sit0', { kind: 'sit', up: false })];
  const boxes: Namespace[] = [];
  const devices: Inventory['devices'][number][] = [];
  const hostNamespace = namespace('a', host);
  for (let i = 0; i < 9; i++) {
    const base = 100 + i * 10;
    host.push(link(base, `br${i}`, { kind: 'bridge' }));
    host.push(veth(base + 1, `port-with-name${i}`, 2, i, { master: base, portKind: 'bridge' }));
    const tap = link(base + 2, `tap${i}`, {
      kind: 'tun',
      master: base,
      tun: {
        type: 'tap',
        packetInfo: false,
        vnetHeader: false,
        persist: false,
        multiQueue: false,
        queues: 0,
        disabledQueues: 0,
      },
    });
    host.push(
      tap,
      link(base + 3, `eth${i}`),
      link(base + 4, `mv${i}`, { kind: 'macvtap', lower: base + 3, mode: 'bridge', up: i !== 3 }),
    );
    boxes.push(
      namespace(`box${i}`, [
        veth(2, 'eth0', base + 1, 0),
        link(3, 'moved', { kind: 'macvtap', lower: base + 3, lowerNetnsId: 0, mode: 'vepa' }),
      ]),
    );
    const holders = [
      { pid: 10 + i, command: 'tapfd', fds: [3] },
      { pid: 30 + i, command: 'qemu-system-x86', fds: [3], guest: `a guest with a long name ${i}` },
    ];
    devices.push({
      namespace: hostNamespace,
      kind: 'tap',
      link: tap,
      master: undefined,
      lower: undefined,
      node: undefined,
      holders,
      perhaps: [{ pid: 5, command: 'vpn', fds: [4] }],
      findings: [],
    });
  }
  const moved = boxes[0]?.links[1];
  if (moved && boxes[0])
    devices.push({
      namespace: boxes[0],
      kind: 'macvtap',
      link: moved,
      master: undefined,
      lower: undefined,
      node: undefined,
      holders: [{ pid: 3, command: 'tapfd', fds: [1] }],
      perhaps: [],
      findings: [],
    });
  return { namespaces: [hostNamespace, ...boxes, namespace('empty', [])], devices, hidden: 0 };
}

t.test('a program that may hold another device has a question mark', async (t) => {
  const titles = mapOf(large()).namespaces[0]?.groups.flatMap(({ head, members }) =>
    [head, ...members].flatMap(({ holders }) => holders.map(({ title }) => title)),
  );
  t.ok(titles?.includes('vpn?'));
  t.notOk(titles?.includes('vpn'));
  t.ok(titles?.includes('a guest with a long name 1'));
});

t.test('nothing overlaps, and no wire runs through a box', async (t) => {
  const map = mapOf(large());
  const layout = layOut(map);
  t.equal(layout.panels.length, 10, 'none for an empty namespace');
  t.equal(layout.wires.length, 18);
  t.same(overlapping([...layout.nodes, ...layout.holders]), []);
  t.same(overlapping(layout.panels), []);
  t.same(crossed(layout), []);
  t.same(
    layout.nodes.filter(
      ({ x, y, width, height }) => x < 0 || y < 0 || x + width > layout.width || y + height > layout.height,
    ),
    [],
  );
  t.same(
    layout.holders.map(({ holder }) => holder.title).filter((title) => title === 'tapfd').length,
    1,
    'alone only',
  );
  t.ok(
    crossed({
      ...layout,
      wires: [
        {
          isLower: false,
          points: [
            { x: 0, y: 90 },
            { x: 900, y: 90 },
          ],
        },
      ],
    }).length > 0,
    'the test sees it',
  );
  const mermaid = mermaidOf(map);
  t.equal(mermaid.match(/-\.-/g)?.length, 9, 'lower devices elsewhere');
  t.equal(mermaid.match(/===/g)?.length, 9);
  t.match(
    mermaid,
    '[["a guest with a long name 3<br/>guest · qemu#45;system#45;x86"]]:::guest'.replaceAll('#45;', '-'),
  );
  t.match(svgOf(layout, 'a & "b"'), '<title>a &amp; &quot;b&quot;</title>');
});

t.test('a wire within one row needs no way around', async (t) => {
  const map = mapOf({
    namespaces: [namespace('a', [veth(2, 'x', 3), veth(3, 'y', 2)])],
    devices: [],
    hidden: 0,
  });
  const [wire] = layOut(map).wires;
  t.equal(wire?.points.length, 4);
  t.same(layOut({ namespaces: [], wires: [] }).panels, []);
  const nowhere = placeWires([{ from: 'x', to: 'y', isLower: false }], new Map(), 0);
  t.same(nowhere, [{ points: [], isLower: false }], 'a wire between nodes that are not drawn');
});

t.test('names cannot break out of the picture', async (t) => {
  const evil = '<a&"]\u001b';
  const map = mapOf({
    namespaces: [{ ...namespace('a', [link(2, evil, { kind: 'bridge' })]), label: evil }],
    devices: [],
    hidden: 0,
  });
  t.notMatch(svgOf(layOut(map), ''), '<a&');
  t.match(svgOf(layOut(map), ''), '&lt;a&amp;&quot;]\\x1b');
  const mermaid = mermaidOf(map);
  t.match(mermaid, 'subgraph ns0["#60;a#38;#34;#93;#92;x1b"]');
});

t.test('paths have round corners, straight ones none', async (t) => {
  t.equal(
    roundedPath([
      { x: 0, y: 0 },
      { x: 0, y: 20 },
      { x: 20, y: 20 },
    ]),
    'M0 0L0 13Q0 20 7 20L20 20',
  );
  t.equal(
    roundedPath([
      { x: 0, y: 0 },
      { x: 0, y: 0 },
      { x: 5, y: 0 },
    ]),
    'M0 0L0 0Q0 0 0 0L5 0',
  );
});
