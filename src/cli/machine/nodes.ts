/** The device numbers of macvtaps, and whether `/dev/tapN` is the right node. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Link } from '../../index.js';
import type { Namespace } from './namespaces.js';
import { attempt, deviceOf } from './processes.js';

/** The node of a macvtap. */
export interface Node {
  path: string;
  /**
   * `right`: it is this macvtap's. `wrong`: it is another's, such as one of the same index in another namespace.
   * `missing`: there is none, which is usual in other namespaces. `unknown`: this user cannot find out.
   */
  state: 'right' | 'wrong' | 'missing' | 'unknown';
}

/** By index, the device number (`st_rdev`) of each macvtap of a namespace. */
export type DeviceNumbers = ReadonlyMap<number, number>;

/** Reads sysfs of that namespace: the present one, or one mounted for the purpose in a process of its own. */
export async function readDeviceNumbers(namespace: Namespace): Promise<DeviceNumbers> {
  if (!namespace.links.some(({ kind }) => kind === 'macvtap')) return new Map();
  return namespace.own && showsOwnNamespace(namespace.links)
    ? new Map(readSysfs())
    : new Map(await readSysfsOf(namespace.path));
}

export function nodeOf({ index }: Pick<Link, 'index'>, numbers: DeviceNumbers, directory = '/dev'): Node {
  const path = `${directory}/tap${index}`;
  const stat = attempt(() => statSync(path));
  if (stat === undefined) return { path, state: 'missing' };
  const wanted = numbers.get(index);
  if (wanted === undefined) return { path, state: 'unknown' };
  return { path, state: stat.isCharacterDevice() && stat.rdev === wanted ? 'right' : 'wrong' };
}

/** Whether `/sys` is of this namespace: a sysfs shows the one that it was mounted in, wherever it is read. */
export function showsOwnNamespace(links: readonly Link[], directory = '/sys/class/net'): boolean {
  const shown = attempt(() => readdirSync(directory));
  if (shown === undefined) return false;
  // `bonding_masters` and the like are files of drivers.
  const isLink = (name: string) => attempt(() => statSync(`${directory}/${name}/ifindex`)) !== undefined;
  if (shown.filter(isLink).length !== links.length) return false;
  return links.every(
    ({ name, index, mac }) =>
      readText(`${directory}/${name}/ifindex`) === String(index) &&
      // A MAC may be of another length, or absent.
      (mac === undefined || mac.length !== 17 || readText(`${directory}/${name}/address`) === mac),
  );
}

/** One that goes meanwhile is left out, and so are all if the driver is not there. */
export function* readSysfs(directory = '/sys/class/macvtap'): Generator<[number, number]> {
  for (const node of attempt(() => readdirSync(directory)) ?? []) {
    const entry = entryOf(node, readText(`${directory}/${node}/dev`) ?? '');
    if (entry !== undefined) yield entry;
  }
}

/** Mounts that namespace's sysfs in a mount namespace that ends with the process. */
async function readSysfsOf(netns: string): Promise<[number, number][]> {
  const script =
    'mount -t sysfs sysfs /sys && cd /sys/class/macvtap && for n in *; do echo "$n $(cat "$n/dev")"; done';
  const words = [`--net=${netns}`, 'unshare', '--mount', 'sh', '-c', script];
  const output = await promisify(execFile)('nsenter', words, { encoding: 'utf8' }).then(
    ({ stdout }) => stdout,
    // Without the privilege, or without util-linux: nothing is known then.
    () => '',
  );
  return output.split('\n').flatMap((line) => {
    const [node = '', number = ''] = line.split(' ');
    const entry = entryOf(node, number);
    return entry === undefined ? [] : [entry];
  });
}

/** `tap7` and `246:1`. */
function entryOf(node: string, number: string): [number, number] | undefined {
  const [, index] = /^tap(\d+)$/.exec(node) ?? [];
  const [, major, minor] = /^(\d+):(\d+)$/.exec(number) ?? [];
  return index === undefined || minor === undefined
    ? undefined
    : [Number(index), deviceOf(Number(major), Number(minor))];
}

function readText(path: string): string | undefined {
  return attempt(() => readFileSync(path, 'utf8').trim());
}
