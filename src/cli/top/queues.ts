/**
 * How many frames each link's queueing discipline has given to its driver. The driver of TUN and TAP does not tell how many
 * of them wait to be read, but counts those that were read and lost: the rest is the queue.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { deviceKindOf } from '../machine/inventory.js';
import type { Namespace } from '../machine/namespaces.js';

/** By the link's name; empty where there is no tc(8), or no right to ask. */
export async function readQueues({ own, path, links }: Namespace): Promise<ReadonlyMap<string, number>> {
  if (!links.some((link) => (deviceKindOf(link) ?? 'macvtap') !== 'macvtap')) return new Map();
  const tc = ['tc', '-s', '-j', 'qdisc', 'show'];
  const [program = '', ...words] = own ? tc : ['nsenter', `--net=${path}`, ...tc];
  const text = await promisify(execFile)(program, words, { encoding: 'utf8' }).then(
    ({ stdout }) => stdout,
    () => '[]',
  );
  return parseQueues(text);
}

/** The output of `tc -s -j qdisc show`. */
export function parseQueues(text: string): ReadonlyMap<string, number> {
  const queues = new Map<string, number>();
  const list: unknown = JSON.parse(text);
  for (const entry of Array.isArray(list) ? list : []) {
    const { dev, root, kind, packets }: Record<string, unknown> = entry;
    if (root !== true || kind === 'noqueue') continue;
    if (typeof dev === 'string' && typeof packets === 'number') queues.set(dev, packets);
  }
  return queues;
}
