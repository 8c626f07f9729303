/** What QEMU's `info network` says, which no command of the protocol does: the descriptors of a backend. */
import { notWhatQemuSays } from '../qmp/answers.js';

/** `x: index=0,type=tap,fd=12`, after ` \ ` where a card is on it. */
const TAP_LINE = /^(?: \\ )?([^ :]+): index=\d+,type=tap,.*\bfd=(\d+)/;

/** The numbers in QEMU of the backend's descriptors, one for each queue; none if there is no such backend on a TAP. */
export function netdevFds(netdevId: string, answer: unknown): number[] {
  if (typeof answer !== 'string') throw notWhatQemuSays('info network', answer);
  return answer.split(/\r?\n/).flatMap((line) => {
    const [, id, fd] = TAP_LINE.exec(line) ?? [];
    return id === netdevId ? [Number(fd)] : [];
  });
}
