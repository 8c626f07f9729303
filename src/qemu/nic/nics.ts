/** The cards of one guest: each found right, and none with what another has. */
import { invalidArgument, TapfdError } from '../../base/errors.js';
import { interfaceKey } from './device.js';
import { type CheckedNic, checkNic, type QemuNic } from './nic.js';

/** All that can be known about `nics` without asking the kernel. The errors are listed at `qemuNetworkArguments`. */
export function checkNics(nics: readonly QemuNic[]): CheckedNic[] {
  if (!Array.isArray(nics)) throw invalidArgument('nics', 'an array', nics);
  const checked = nics.map((nic: QemuNic, position) =>
    checkNic(`nics[${position}]`, nic, `tapfd${position}`),
  );
  refuseDuplicates(checked);
  return checked;
}

function refuseDuplicates(nics: readonly CheckedNic[]): void {
  findShared(
    nics,
    (nic) => nic.queues.map((queue) => queue.fd),
    (first, second, fd) =>
      new TapfdError(
        'ERR_TAPFD_QEMU_DUPLICATE_FD',
        `${second.label}: descriptor ${fd} is that of ${first.label} too, and two queues would take each other's ` +
          'frames. Open the device once for each card, or openQueue() for each queue',
      ),
  );
  findShared(
    nics,
    (nic) => [interfaceKey(nic.queues[0])],
    (first, second) =>
      new TapfdError(
        'ERR_TAPFD_QEMU_DUPLICATE_INTERFACE',
        `${second.label}: ${second.queues[0].name} is the interface of ${first.label} too; the kernel would spread its ` +
          'frames over both cards. Give both descriptors to one nic as its queues, or each card an interface of its own',
        { interface: second.queues[0].name },
      ),
  );
  findShared(
    nics,
    (nic) => [nic.mac],
    (first, second, mac) =>
      new TapfdError(
        'ERR_TAPFD_QEMU_DUPLICATE_MAC',
        `${second.label}: ${mac} is the MAC of ${first.label} too, and a bridge delivers to one of them only. ` +
          'Give each card its own',
      ),
  );
  findShared(
    nics,
    (nic) => [nic.netdevId],
    (first, second, id) =>
      invalidArgument(`${second.label}.id`, `another id than that of ${first.label}`, id),
  );
}

/** Throws what `refusal` makes of the first two that have a key in common. */
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
