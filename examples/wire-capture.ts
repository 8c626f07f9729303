/** Captures an interface's traffic with tcpdump inside a namespace: a witness independent of the program. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Netns } from 'tapfd';
import { PcapngReader } from 'tapfd/capture';
import { decodeFrame, type Packet, summarize } from 'tapfd/packets';

/** Root's PATH does not always contain these. */
const SYSTEM_DIRECTORIES = ['/usr/sbin', '/sbin', '/usr/bin'];
const TIMEOUT_MS = 20_000;
const VXLAN_PORT = 4789;
const VXLAN_HEADER_BYTES = 8;

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
  readonly #frames: string[] = [];
  #messages = '';

  /** Starts it on the link `name`, and waits until it listens: from then on it sees everything. */
  static async start(netns: Netns, name: string, filter: string): Promise<WireCapture> {
    const capture = new WireCapture(netns, name, filter);
    await capture.#until(() => capture.#messages.includes('listening on'), 'is not listening');
    return capture;
  }

  private constructor(netns: Netns, name: string, filter: string) {
    // -p: without promiscuous mode, the capture cannot be what let frames in. -U -w -: each frame at once, to its output.
    const args = ['-p', '-U', '-w', '-', '--immediate-mode', '-Z', 'root', '-i', name, filter];
    this.#child = netns.spawn(findTcpdump() ?? 'tcpdump', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    process.once('exit', this.#kill);
    // A tcpdump that is killed may leave half a frame, and one that does not start has no output: #until() says so.
    if (this.#child.stdout) this.#read(this.#child.stdout).catch(() => undefined);
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#messages += text;
      this.#child.emit('output');
    });
    this.#child.on('close', () => {
      process.off('exit', this.#kill);
      this.#child.emit('output');
    });
  }

  /** Waits until a frame like this has been seen, and returns all so far. A tunnelled frame has a second line. */
  async until(pattern: RegExp): Promise<string[]> {
    await this.#until(() => this.#frames.some((frame) => pattern.test(frame)), `has not seen ${pattern}`);
    return [...this.#frames];
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGINT');
    await ended;
  }

  async #read(output: Readable): Promise<void> {
    for await (const { bytes } of new PcapngReader(output)) {
      this.#frames.push(describe(bytes));
      this.#child.emit('output');
    }
  }

  async #until(isTrue: () => boolean, failure: string): Promise<void> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    while (!isTrue()) {
      if (signal.aborted || this.#child.exitCode !== null) {
        throw new Error(`tcpdump ${failure}: ${this.#messages}${this.#frames.join('\n')}`);
      }
      await once(this.#child, 'output', { signal }).catch(() => undefined);
    }
  }
}

/** A frame in one line, and what it carries through a VXLAN in another. */
function describe(bytes: Buffer): string {
  const packet = decodeFrame(bytes);
  const line = `${summarize(packet, { macs: true })}, ${bytes.length} bytes`;
  return isVxlan(packet)
    ? `${line}, vni ${packet.payload.readUIntBE(4, 3)}\n${describe(packet.payload.subarray(VXLAN_HEADER_BYTES))}`
    : line;
}

/** RFC 7348. */
function isVxlan({ udp, payload }: Packet): boolean {
  return udp?.destinationPort === VXLAN_PORT && payload.length >= VXLAN_HEADER_BYTES;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
