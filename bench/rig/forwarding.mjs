/** Two namespaces with a device each, one forwarder between them, and the traffic that is sent through it. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { iperf3Report } from '../iperf3-report.mjs';
import { floor } from './compile-floor.mjs';
import { entering, ip, makeNamespace, removeNamespace } from './namespaces.mjs';
import { endingWithBench, onCore, SubjectProcess, subjectScript } from './subject-process.mjs';

const execute = promisify(execFile);
const LEFT = { name: 'left', address: '10.83.0.1' };
const RIGHT = { name: 'right', address: '10.83.0.2' };

export class ForwardingRig {
  #namespaces = [];
  #forwarder;
  #server;
  #core;

  /**
   * @param {{way: string, kind: string, core?: number}} what `way`: `floor`, `floor-2-threads`, or one of
   *   subjects/forward.mjs; `core`: the processor that the forwarder and the sender of echo requests are pinned to
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

  /** Lets this forwarder run only while `work` does: some of them poll all the time. */
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

  /**
   * One TCP stream from left to right.
   *
   * @param {string[]} amount arguments of iperf3
   * @returns {Promise<{gbps: number, cpuNsPerByte: number}>} `cpuNsPerByte`: the forwarder's
   */
  async tcp(amount) {
    await this.#startServer();
    const args = [...entering(this.#namespaces[0]), 'iperf3', '-c', RIGHT.address, '-J', ...amount];
    let before;
    const { sum_received: received } = await iperf3Report(async () => {
      before = await this.#forwarder.ask('cpu');
      // It reports errors on standard output too.
      const { stdout } = await run(args).catch((failure) => failure);
      return stdout;
    });
    const after = await this.#forwarder.ask('cpu');
    return {
      gbps: received.bits_per_second / 1e9,
      cpuNsPerByte: (after.cpuNs - before.cpuNs) / received.bytes,
    };
  }

  /** Sends echo requests one after the other, in frames of `size` bytes. @returns {Promise<Record<string, number>>} nanoseconds */
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
