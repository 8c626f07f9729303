/** The two ways in which QEMU gets a card's descriptors, and how it is made to give them back. */
import { randomBytes } from 'node:crypto';
import { invalidState } from '../../base/errors.js';
import { type CheckedNic, descriptorsOf } from '../nic/nic.js';
import { checkedBoolean } from '../qmp/answers.js';
import { QmpError } from '../qmp/error.js';
import { type FdsetEntry, fdsetEntry, fdsetLabel, labelledSets, removeFromSet } from './fdsets.js';
import { netdevFds } from './network-info.js';
import { type Steps, unlessRefused } from './steps.js';

/** Descriptors that QEMU has. */
export interface PassedDescriptors {
  /** What QEMU calls them. */
  readonly names: readonly string[];
  /** Asks, after an unanswered `netdev_add`, whether QEMU has made the backend of these descriptors. */
  isBackendOurs(): Promise<boolean>;
}

/** Unique to the call: QEMU replaces a descriptor when another one gets its name. */
function nameOfCall(netdevId: string): string {
  return `${netdevId}-${randomBytes(4).toString('hex')}`;
}

/**
 * Sends each descriptor under a name. `current` looks at the card again, in the turn of the event loop in which a
 * descriptor is sent: the number of a closed one may be another file's.
 */
export async function passByName(steps: Steps, current: () => CheckedNic): Promise<PassedDescriptors> {
  const call = nameOfCall(current().netdevId);
  const names = descriptorsOf(current()).map((_fd, i) => `${call}-fd${i}`);
  for (const [i, fdname] of names.entries()) {
    await steps.do(
      'getfd',
      { fdname },
      {
        fds: descriptorsOf(current()).slice(i, i + 1),
        undo: {
          what: `descriptor "${fdname}"`,
          // The backend takes the descriptor, and closes it if it cannot be created: the name may no longer exist.
          run: () => steps.undo('closefd', { fdname }).catch(unlessRefused),
        },
      },
    );
  }
  return {
    names,
    isBackendOurs: async () => {
      // QEMU looks at the id first, and then takes the descriptors, after which it has none of that name.
      const outcome = await steps.undo('closefd', { fdname: names[0] }).catch((error: unknown) => error);
      if (outcome instanceof Error && !(outcome instanceof QmpError)) throw outcome;
      return outcome instanceof QmpError;
    },
  };
}

/** Sends each descriptor into a set of its own, whose label is unique to the call. */
export async function passInSets(steps: Steps, current: () => CheckedNic): Promise<PassedDescriptors> {
  const { netdevId } = current();
  const { running }: { running?: unknown } = Object(await steps.do('query-status', {}));
  if (!checkedBoolean('query-status', running)) {
    // It only marks them as removed, and closes their numbers later, when these may be other files'.
    throw invalidState(
      'addNic: while its guest is not running, QEMU cannot remove descriptor sets: use getfd',
    );
  }
  const opaque = fdsetLabel(nameOfCall(netdevId));
  const count = descriptorsOf(current()).length;
  const entries: FdsetEntry[] = [];
  // Whether to delete the backend, too, is known only then.
  let asking: Promise<unknown> | undefined;
  steps.addUndo({
    what: 'descriptor sets',
    run: async () => {
      await asking;
      // In the turn in which the backend is deleted, which closes these numbers: they could become other files' while
      // QEMU is asked for them. Asking is necessary only if an answer was missed, and then there is no backend yet.
      const sets =
        entries.length === count ? entries : labelledSets(opaque, await steps.undo('query-fdsets', {}));
      await Promise.all(
        sets.map((entry) => removeFromSet((command, args) => steps.undo(command, args), entry)),
      );
    },
  });
  for (let i = 0; i < count; i += 1) {
    const fds = descriptorsOf(current()).slice(i, i + 1);
    entries.push(fdsetEntry(await steps.do('add-fd', { opaque }, { fds })));
  }
  return {
    names: entries.map(({ fd }) => String(fd)),
    isBackendOurs: async () => {
      const asked = steps.undo('human-monitor-command', { 'command-line': 'info network' });
      asking = asked.catch(() => {});
      const fds = netdevFds(netdevId, await asked);
      return entries.some(({ fd }) => fds.includes(fd));
    },
  };
}
