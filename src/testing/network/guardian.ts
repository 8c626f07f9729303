/** Ends the programs of a namespace where the process that started them was killed and cannot. */
import type { ChildProcess } from 'node:child_process';
import type { Netns } from '../../links/netns.js';

/**
 * Waits for the end of its input, which comes with the end of this process, however that happens. The kernel kills only what
 * this process has started itself: what those have started is killed here, until a look finds nothing more.
 */
const SCRIPT = `
read -r _
while :; do
  found=
  for process in /proc/[0-9]*; do
    [ "$process" != "/proc/$$" ] && [ "$process/ns/net" -ef "/proc/$$/ns/net" ] || continue
    kill -9 "\${process#/proc/}" && found=1
  done 2>/dev/null
  [ "$found" ] || exit 0
done`;

/** A shell in the namespace, of a session of its own: what ends this process's group does not end it. */
export class Guardian {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  constructor(netns: Netns) {
    this.#child = netns.spawn('sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => resolve());
      // Without a shell the kernel's part remains.
      this.#child.once('error', () => resolve());
    });
    this.#keepsAlive(false);
  }

  /** Resolves when it has ended, which is for others to bring about. */
  async ended(): Promise<void> {
    this.#keepsAlive(true);
    await this.#ended;
  }

  #keepsAlive(alive: boolean): void {
    // Deno's child that could not start has nothing to call.
    if (this.#child.pid === undefined) return;
    for (const handle of [this.#child, this.#child.stdin]) callOf(handle, alive ? 'ref' : 'unref');
  }
}

/** A pipe has these methods, though the type of a child's input has not. */
function callOf(handle: object | null, name: 'ref' | 'unref'): void {
  const method: unknown = handle && Reflect.get(handle, name);
  if (typeof method === 'function') Reflect.apply(method, handle, []);
}
