/** An argument after those that a call takes is refused before any system call. */

import t from 'tap';
import {
  adoptFd,
  createNetns,
  FdSocket,
  FrameStream,
  forward,
  links,
  openMacvtap,
  openTap,
  openTapFromBridgeHelper,
  openTun,
  randomMac,
} from 'tapfd';

/** No call in this file may open it. */
const netns = `tapfd-${process.pid}-never-opened`;
const address = '10.0.0.1/24';
const path = '/nowhere/never-opened.sock';

type Call = (...args: never[]) => unknown;

const [socket, peer] = FdSocket.pair();
const server = await FdSocket.listen(`@tapfd-${process.pid}-surplus`);
t.teardown(async () => {
  await Promise.all([socket[Symbol.asyncDispose](), peer[Symbol.asyncDispose](), server.close()]);
});

/** Each with as many arguments as it takes. */
const CALLS: Record<string, [Call, ...unknown[]]> = {
  openTap: [openTap, { netns }],
  openTun: [openTun, { netns }],
  openMacvtap: [openMacvtap, { netns, name: 'never' }],
  openTapFromBridgeHelper: [openTapFromBridgeHelper, { bridge: 'never', helperPath: path }],
  adoptFd: [adoptFd, 0, { netns }],
  batches: [FrameStream.prototype.batches, {}],
  forward: [forward, undefined, undefined, {}],
  createNetns: [createNetns, netns, {}],
  randomMac: [randomMac, {}],
  'links.list': [links.list, { netns }],
  'links.get': [links.get, 'lo', { netns }],
  'links.create': [links.create, { kind: 'bridge', netns }],
  'links.set': [links.set, 'lo', { netns }],
  'links.remove': [links.remove, 'lo', { netns }],
  'links.addAddress': [links.addAddress, 'lo', address, { netns }],
  'links.removeAddress': [links.removeAddress, 'lo', address, { netns }],
  'links.addresses': [links.addresses, 'lo', { netns }],
  'links.watch': [links.watch, { netns }],
  'FdSocket.connect': [FdSocket.connect, path, {}],
  'FdSocket.listen': [FdSocket.listen, path, {}],
  receive: [socket.receive.bind(socket), { signal: AbortSignal.abort(new Error('it waits')) }],
  accept: [server.accept.bind(server), { signal: AbortSignal.abort(new Error('it waits')) }],
};

for (const [name, [call, ...args]] of Object.entries(CALLS)) {
  t.test(name, async (t) => {
    const calling = async (surplus: unknown): Promise<unknown> => {
      const given: unknown[] = [...args, surplus];
      return Reflect.apply(call, undefined, given);
    };
    for (const surplus of [{ netns }, {}, null, 'tap0']) {
      await t.rejects(calling(surplus), {
        code: 'ERR_TAPFD_INVALID_ARGUMENT',
        argument: `argument ${args.length + 1}`,
        message: new RegExp(`${name} takes ${args.length}`),
      });
    }
  });
}

t.test('the calls can be passed to map()', async (t) => {
  const macs = Array.from({ length: 2 }, randomMac);
  t.equal(new Set(macs).size, 2);
  t.equal([{}, {}].map(randomMac).length, 2);
});

t.test('undefined counts as left out', async (t) => {
  t.match(Reflect.apply(randomMac, undefined, [{}, undefined]), /^..:/);
});
