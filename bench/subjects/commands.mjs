/** What every measured Node program does: takes commands on standard input, answers in JSON, counts its CPU time. */
import { closeSync, openSync, read, readSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** User and system time of the whole process, all its threads, in nanoseconds. */
export function cpuNs() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

export const wallNs = () => Number(process.hrtime.bigint());

export function answer(result) {
  writeSync(1, `${JSON.stringify(result)}\n`);
}

/** @param {Record<string, (...numbers: number[]) => Promise<object>>} commands */
export function serve(commands) {
  const lines = createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const [name, ...args] = line.split(' ');
    try {
      answer(await commands[name](...args.map(Number)));
    } catch (error) {
      process.stderr.write(`${error.stack}\n`);
      process.exit(1);
    }
  });
  lines.on('close', () => process.exit(0));
}

/** Commands `blast` (bench/floor/blast.c). Its FIFOs are opened with the first command, when it is running. */
export class Producer {
  #paths;
  #commands = -1;
  #answers = -1;
  #text = Buffer.alloc(64);

  constructor(commands, answers) {
    this.#paths = [commands, answers];
  }

  #command(line) {
    if (this.#commands < 0) {
      this.#commands = openSync(this.#paths[0], 'w');
      this.#answers = openSync(this.#paths[1], 'r');
    }
    writeSync(this.#commands, `${line}\n`);
  }

  /** Fills the queue; blocks this thread until it is full. */
  burst(size, count) {
    this.#command(`burst ${size} ${count}`);
    return Number(this.#text.toString('latin1', 0, readSync(this.#answers, this.#text)));
  }

  /** Keeps filling it, while this thread runs on. @returns {Promise<number>} frames */
  flood(size, ms) {
    this.#command(`flood ${size} ${ms}`);
    return new Promise((resolve, reject) => {
      read(this.#answers, this.#text, 0, 64, null, (error, length) => {
        if (error) reject(error);
        else resolve(Number(this.#text.toString('latin1', 0, length)));
      });
    });
  }

  close() {
    closeSync(this.#commands);
    closeSync(this.#answers);
  }
}
