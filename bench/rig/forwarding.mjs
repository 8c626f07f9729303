/** Two namespaces with a device each, joined by one forwarder, and what is sent through it. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { Trouble } from '../../scripts/run-command.mjs';
import { floor } from './compile-floor.mjs';
import { entering, ip, makeNamespace, removeNamespace } from './namespaces.mjs';
import { subjectScript } from './single-device.mjs';
import { endingWithBench, onCore, SubjectProcess } from './subject-process.mjs';

const execute = promisify(execFile);
const LEFT = { name: 'left', address: '10.83.0.1' };
/** Runs of iperf3 that may fail in a row. */
const ATTEMPTS = 5;
const RIGHT = { name: 'right', address: '10.83.0.2' };

export class ForwardingRig {
  #namespaces = [];
  #forwarder;
  #server;
  #core;

  /**
   * @param {{way: string, kind: string, core?: number}} what `way`: `floor`, `floor-2-threads`, or one of
   *   subjects/forward.mjs; `core`: the processor that the forwarder, and whoever asks for echoes, stays on
   */
  static async start({ way, kind, core }) {
    const rig = new ForwardingRig();
    rig.#core = core;
    try {
      const left = rig.#addNamespace();
      const right = rig.#addNamespace();
      const devices = [kind, left, LEFT.name, right, RIGHT.name];
      const threads = { floor: '1', 'floor-2-threads': '2' }[way];
      const command =
        threads === undefined
          ? [process.execPath, subjectScript('forward'), way, ...devices]
          : [floor('forward'), threads, ...devices];
      rig.#forwarder = new SubjectProcess(command, { name: `forward ${way}`, core });
      await rig.#forwarder.answer();
      for (const [namespace, { name, address }] of [
        [left, LEFT],
        [right, RIGHT],
      ]) {
        ip('-n', namespace, 'link', 'set', name, 'up');
        ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', name);
      }
    } catch (error) {
      await rig.stop();
      throw error;
    }
    return rig;
  }

  /** Lets only this forwarder run while `work` does: some of them ask all the time whether there is something to do. */
  async alone(work) {
    this.#forwarder.resume();
    try {
      return await work();
    } finally {
      this.#forwarder.pause();
    }
  }

  #addNamespace() {
    const name = makeNamespace();
    this.#namespaces.push(name);
    return name;
  }

  /** One TCP stream from left to right, as much as these arguments of iperf3 say. @returns {Promise<{gbps: number, cpuNsPerByte: number}>} the CPU: the forwarder's */
  async tcp(amount) {
    await this.#startServer();
    for (let attempt = 1; ; attempt += 1) {
      const before = await this.#forwarder.ask('cpu');
      const { sum_received: received, error } = await this.#iperf(amount);
      const after = await this.#forwarder.ask('cpu');
      if (received !== undefined) {
        return {
          gbps: received.bits_per_second / 1e9,
          cpuNsPerByte: (after.cpuNs - before.cpuNs) / received.bytes,
        };
      }
      // On a busy machine the server may still be at the end of the run before.
      if (attempt === ATTEMPTS) throw new Trouble(`iperf3: ${error}`);
    }
  }

  /** What the client reports of the whole run, or its error. */
  async #iperf(amount) {
    const args = [...entering(this.#namespaces[0]), 'iperf3', '-c', RIGHT.address, '-J', ...amount];
    // It says on standard output what has gone wrong, too.
    const { stdout } = await run(args).catch((failure) => failure);
    const { end, error } = JSON.parse(stdout);
    return { error, ...end };
  }

  /** Echo requests one after the other, in frames of `size` bytes. @returns {Promise<Record<string, number>>} nanoseconds */
  async roundTrips(count, size) {
    const command = [floor('round_trip'), RIGHT.address, String(count), String(size)];
    const args = [...entering(this.#namespaces[0]), ...onCore(this.#core, command)];
    const { stdout } = await run(args);
    const { avg, p50, p99, p999 } = JSON.parse(stdout);
    return { average: avg, p50, p99, 'p99.9': p999 };
  }

  async #startServer() {
    if (this.#server !== undefined) return;
    const args = [...entering(this.#namespaces[1]), 'iperf3', '-s', '--forceflush'];
    this.#server = endingWithBench(spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] }));
    this.#server.stdout.setEncoding('utf8');
    for await (const text of this.#server.stdout.iterator({ destroyOnReturn: false })) {
      if (text.includes('listening')) break;
    }
    this.#server.stdout.resume();
  }

  async stop() {
    if (this.#server !== undefined) {
      const ended = once(this.#server, 'exit');
      this.#server.kill('SIGKILL');
      await ended;
    }
    await this.#forwarder?.stop();
    for (const name of this.#namespaces) removeNamespace(name);
  }
}

/** Runs a program to its end. @param {string[]} args of nsenter */
function run(args) {
  const running = execute('nsenter', args, { maxBuffer: 1 << 24 });
  endingWithBench(running.child);
  return running;
}
