/** Captures an interface's traffic with tcpdump inside a namespace: a witness independent of the program. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Netns } from 'tapfd';

/** Root's PATH does not always contain these. */
const SYSTEM_DIRECTORIES = ['/usr/sbin', '/sbin', '/usr/bin'];
const TIMEOUT_MS = 20_000;

/** The path of tcpdump; undefined if it is not installed. */
export function findTcpdump(): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_DIRECTORIES];
  return directories.map((directory) => join(directory, 'tcpdump')).find(isExecutable);
}

/** A running tcpdump. `stop()` ends it; it does not outlive this process. */
export class WireCapture {
  readonly #child: ChildProcess;
  readonly #kill = (): void => {
    this.#child.kill('SIGKILL');
  };
  #output = '';
  #messages = '';

  /** Starts it on the link `name`, and waits until it listens: from then on it sees everything. */
  static async start(netns: Netns, name: string, filter: string): Promise<WireCapture> {
    const capture = new WireCapture(netns, name, filter);
    await capture.#until(() => capture.#messages.includes('listening on'), 'is not listening');
    return capture;
  }

  private constructor(netns: Netns, name: string, filter: string) {
    // -p: without promiscuous mode, the capture cannot be what let frames in.
    const args = ['-p', '-n', '-e', '-t', '-l', '--immediate-mode', '-Z', 'root', '-i', name, filter];
    this.#child = netns.spawn(findTcpdump() ?? 'tcpdump', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    process.once('exit', this.#kill);
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      this.#child.emit('output');
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#messages += text;
      this.#child.emit('output');
    });
    this.#child.on('close', () => {
      process.off('exit', this.#kill);
      this.#child.emit('output');
    });
  }

  /** Waits until this has been seen, and returns all frames so far. A tunnelled frame has two lines. */
  async until(pattern: RegExp): Promise<string[]> {
    await this.#until(() => pattern.test(this.#output), `has not seen ${pattern}`);
    return this.#output.match(/.*VXLAN.*\n.*|.+/g) ?? [];
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGINT');
    await ended;
  }

  async #until(isTrue: () => boolean, failure: string): Promise<void> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    while (!isTrue()) {
      if (signal.aborted || this.#child.exitCode !== null) {
        throw new Error(`tcpdump ${failure}: ${this.#messages}${this.#output}`);
      }
      await once(this.#child, 'output', { signal }).catch(() => undefined);
    }
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
