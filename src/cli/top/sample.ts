/** What the kernel has counted for each device at one moment. */
import type { DeviceKind, Link } from '../../index.js';
import { deviceKindOf } from '../machine/inventory.js';
import { lookAtNamespaces, type Namespace } from '../machine/namespaces.js';
import { lookAtProcesses, type Processes } from '../machine/processes.js';
import { readQueues } from './queues.js';

/** Frames and bytes in one direction since the device was made. */
export interface Direction {
  frames: number;
  bytes: number;
}

export interface DeviceSample {
  /** Of the device, for as long as it exists. */
  key: string;
  namespace: Namespace;
  kind: DeviceKind;
  name: string;
  /** From the host or the wire to the program that holds the descriptor, and back. */
  toProgram: Direction;
  fromProgram: Direction;
  drops: number;
  /**
   * Frames that the kernel has sent out of the interface but the program has neither read nor lost: those in the queue,
   * and on a persistent device also those that went with an earlier program. Undefined where the kernel does not tell.
   */
  unread: number | undefined;
  isPersistent: boolean;
  queueLength: number;
}

export interface Sample {
  /** In milliseconds, of a clock that nobody sets. */
  at: number;
  devices: DeviceSample[];
}

/** How many samples the list of namespaces serves: finding them is the slow part. */
const SAMPLES_PER_SEARCH = 5;

const NO_PROCESSES: Processes = { descriptors: [], namespaces: [], hidden: 0 };

/** Takes samples of this namespace, or of all. */
export class Sampler {
  readonly #all: boolean;
  #processes = NO_PROCESSES;
  #taken = 0;

  constructor(all: boolean) {
    this.#all = all;
  }

  async take(): Promise<Sample> {
    if (this.#all && this.#taken % SAMPLES_PER_SEARCH === 0) this.#processes = lookAtProcesses();
    this.#taken += 1;
    const namespaces = await lookAtNamespaces(this.#processes, this.#all);
    const at = performance.now();
    const sampled = namespaces.map(async (namespace) => {
      const queues = await readQueues(namespace);
      return namespace.links.flatMap((link) => sampleOf(namespace, link, queues));
    });
    return { at, devices: (await Promise.all(sampled)).flat() };
  }
}

function sampleOf(namespace: Namespace, link: Link, queues: ReadonlyMap<string, number>): DeviceSample[] {
  const kind = deviceKindOf(link);
  if (kind === undefined) return [];
  const { name, index, stats, tun, txQueueLength } = link;
  const sent = { frames: stats.txPackets, bytes: stats.txBytes };
  const received = { frames: stats.rxPackets, bytes: stats.rxBytes };
  const queued = queues.get(name);
  return [
    {
      key: `${namespace.key} ${index} ${name}`,
      namespace,
      kind,
      name,
      // What a TAP sends, its program reads. What a macvtap receives, its program reads.
      toProgram: kind === 'macvtap' ? received : sent,
      fromProgram: kind === 'macvtap' ? sent : received,
      drops: stats.rxDropped + stats.txDropped,
      // With a vnet header, one super-frame counts as all its segments there.
      unread:
        queued === undefined || tun === undefined || tun.vnetHeader
          ? undefined
          : Math.max(0, queued - stats.txPackets - stats.txDropped),
      isPersistent: tun?.persist === true,
      queueLength: txQueueLength * Math.max(1, tun?.queues ?? 1),
    },
  ];
}
