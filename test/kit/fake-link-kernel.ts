/** What the addon would do for a watch of links, done by hand. */
import { constants } from 'node:os';
import type {
  NamespaceHandle,
  NativeLink,
  NativeLinkEvent,
  NativeLinkList,
  NativeLinkRef,
} from '#lib/base/native-links.js';
import type { LinkSubscriber, LinkWatchPort } from '#lib/links/watch.js';

let namespaces = 0;

/** A namespace handle that counts how often it was closed. */
export class Handle implements NamespaceHandle {
  readonly fd = -1;
  closed = 0;
  constructor(readonly key = `fake:${++namespaces}`) {}
  close(): void {
    this.closed++;
  }
}

/** What the addon would do, done by hand. */
export class Kernel implements LinkWatchPort {
  links: NativeLink[] = [];
  lists = 0;
  keptAlive = false;
  watching = 0;
  /** Lists wait for this. */
  listGate: Promise<void> = Promise.resolve();
  listError: Error | undefined;
  consistent = true;
  readonly missedByLists = new Set<number>();
  openError: Error | undefined;
  options: unknown;
  emit: (events: NativeLinkEvent[]) => void = () => undefined;

  async watchLinks(_ns: NamespaceHandle, options: object, onEvents: (events: NativeLinkEvent[]) => void) {
    if (this.openError) throw this.openError;
    this.options = options;
    this.emit = onEvents;
    this.watching++;
    return {
      ref: () => {
        this.keptAlive = true;
      },
      unref: () => {
        this.keptAlive = false;
      },
      close: () => {
        this.watching--;
      },
    };
  }

  async listLinks(): Promise<NativeLinkList> {
    this.lists++;
    const found = [...this.links];
    await this.listGate;
    if (this.listError) throw this.listError;
    return {
      links: found.filter(({ index }) => !this.missedByLists.has(index)),
      consistent: this.consistent,
    };
  }

  async listAddresses(): Promise<[]> {
    return [];
  }

  async getLink(_ns: NamespaceHandle, wanted: NativeLinkRef): Promise<NativeLink> {
    const found = this.links.find(({ index, name }) => index === wanted || name === wanted);
    if (found === undefined) throw failure('ENODEV');
    return found;
  }
}

/** Records what it is told. */
export class Listener implements LinkSubscriber {
  readonly told: string[] = [];
  linkChanged(link: NativeLink): void {
    this.told.push(`change ${link.name}`);
  }
  linkRemoved(link: NativeLink): void {
    this.told.push(`remove ${link.name}`);
  }
  eventsLost(): void {
    this.told.push('lost');
  }
}

/** A system call's failure as the addon reports it. */
export function failure(code: 'EMFILE' | 'ENODEV' | 'EPERM'): Error {
  return Object.assign(new Error(code), { errno: -constants.errno[code] });
}

/** Lets a promise chain without timers run to its end. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
