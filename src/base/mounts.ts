/** The mount that a file is on. */
import { readFileSync, realpathSync } from 'node:fs';

/** Whether device nodes there cannot be opened by anyone: the kernel answers EACCES, as for a missing permission. */
export function isOnNodevMount(path: string): boolean {
  const real = realpathSync(path);
  let longest = '';
  let options = '';
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    // proc_pid_mountinfo(5): the fifth field is the mount point, the sixth its options.
    const [, , , , escaped = '', own = ''] = line.split(' ');
    const point = escaped.replace(/\\([0-7]{3})/g, (_, code) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    const holds = real === point || real.startsWith(point.endsWith('/') ? point : `${point}/`);
    // Of two mounts at one point the later covers the earlier.
    if (holds && point.length >= longest.length) [longest, options] = [point, own];
  }
  return options.split(',').includes('nodev');
}
