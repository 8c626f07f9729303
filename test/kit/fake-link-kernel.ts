/** What the addon would do for a watch of links, done by hand. */
import type { NamespaceHandle, NativeLink, NativeLinkEvent } from '#lib/base/native-links.js';
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
  options: unknown;
  emit: (events: NativeLinkEvent[]) => void = () => undefined;

  async watchLinks(_ns: NamespaceHandle, options: object, onEvents: (events: NativeLinkEvent[]) => void) {
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

  async listLinks(): Promise<NativeLink[]> {
    this.lists++;
    const found = [...this.links];
    await this.listGate;
    if (this.listError) throw this.listError;
    return found;
  }
}

/** Records what it is told. */
export class Listener implements LinkSubscriber {
  readonly told: string[] = [];
  readonly states: [NativeLink, NativeLink | undefined][] = [];
  linkChanged(link: NativeLink, previous: NativeLink | undefined): void {
    this.told.push(`${previous ? 'change' : 'add'} ${link.name}`);
    this.states.push([link, previous]);
  }
  linkRemoved(link: NativeLink): void {
    this.told.push(`remove ${link.name}`);
  }
  watchFailed(error: unknown): void {
    this.told.push(`failed ${error instanceof Error ? error.message : error}`);
  }
}

/** Lets a promise chain without timers run to its end. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
