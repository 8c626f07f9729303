/** Half of a surrogate pair would reach the system as U+FFFD: the name of something else. */
import t from 'tap';
import { createNetns, FdSocket, links, openMacvtap, openTap } from 'tapfd';
import { qemuNetworkArguments } from 'tapfd/qemu';

const HALF = 'a\ud800';

t.test('text that is not well-formed is refused before any system call', async (t) => {
  const calls: Record<string, () => Promise<unknown>> = {
    name: () => openTap({ name: HALF }),
    devicePath: () => openTap({ devicePath: `/dev/${HALF}` }),
    lower: () => openMacvtap({ lower: HALF }),
    link: () => links.get(HALF),
    alias: () => links.set('no-such-link', { alias: HALF }),
    netns: () => links.list({ netns: HALF }),
    'the name of a namespace': () => createNetns(HALF),
    'the address of a socket': () => FdSocket.connect(`@${HALF}`),
    'an id': async () => qemuNetworkArguments([{ device: undefined as never, id: HALF }]),
  };
  for (const [what, call] of Object.entries(calls)) {
    await t.rejects(call(), { code: 'ERR_TAPFD_INVALID_ARGUMENT' }, what);
  }
});
