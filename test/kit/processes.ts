/** The processes of the machine, by what they were started with. */
import { readdirSync, readFileSync } from 'node:fs';

/** The numbers of those whose command line has this text. */
export function processesWith(text: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text);
    } catch {
      return false; // it has ended
    }
  });
}
