/** The cards of one guest: each checked, and none sharing what must be its own. */
import { invalidArgument, isRevoked, TapfdError } from '../../base/errors.js';
import { interfaceKey } from './device.js';
import { type CheckedNic, checkNic, copyNic, descriptorsOf, type QemuNic, sharedDescriptor } from './nic.js';

/** The cards as the caller describes them now. */
export function copyNics(nics: readonly QemuNic[]): QemuNic[] {
  if (isRevoked(nics) || !Array.isArray(nics)) throw invalidArgument('nics', 'an array', nics);
  return Array.from(nics, (nic: QemuNic, position) => copyNic(`nics[${position}]`, nic));
}

/** Checks `nics` as far as possible without asking the kernel. `qemuNetworkArguments` lists the errors. */
export function checkNics(nics: readonly QemuNic[]): CheckedNic[] {
  const checked = nics.map((nic: QemuNic, position) =>
    checkNic(`nics[${position}]`, nic, `tapfd${position}`),
  );
  refuseDuplicates(checked);
  return checked;
}

function refuseDuplicates(nics: readonly CheckedNic[]): void {
  findShared(nics, descriptorsOf, (first, second, fd) => sharedDescriptor(second.label, first.label, fd));
  findShared(
    nics,
    (nic) => [interfaceKey(nic.queues[0])],
    (first, second) =>
      new TapfdError(
        'ERR_TAPFD_QEMU_DUPLICATE_INTERFACE',
        `${second.label}: ${second.queues[0].name} is also the interface of ${first.label}; the kernel would spread ` +
          'its frames over both cards. Give both descriptors to one nic as its queues, or each card its own interface',
        { interface: second.queues[0].name },
      ),
  );
  findShared(
    nics,
    (nic) => [nic.mac],
    (first, second, mac) =>
      new TapfdError(
        'ERR_TAPFD_QEMU_DUPLICATE_MAC',
        `${second.label}: ${mac} is also the MAC of ${first.label}, and a bridge delivers to only one of them. ` +
          'Give each card its own',
      ),
  );
  findShared(
    nics,
    (nic) => [nic.netdevId],
    (first, second, id) =>
      invalidArgument(`${second.label}.id`, `an id other than that of ${first.label}`, id),
  );
}

/** Throws what `refusal` returns for the first two cards that have a key in common. */
function findShared<Key>(
  nics: readonly CheckedNic[],
  keysOf: (nic: CheckedNic) => readonly Key[],
  refusal: (first: CheckedNic, second: CheckedNic, key: Key) => TapfdError,
): void {
  const seen = new Map<Key, CheckedNic>();
  for (const nic of nics) {
    for (const key of keysOf(nic)) {
      const first = seen.get(key);
      if (first !== undefined) throw refusal(first, nic, key);
      seen.set(key, nic);
    }
  }
}
