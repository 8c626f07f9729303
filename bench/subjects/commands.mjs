/** What every measured Node program does: takes commands from standard input, answers in JSON, counts its CPU time. */
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

/** The other end of `blast` (bench/floor/blast.c). Its FIFOs are opened at the first command, when it is there. */
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

  /** Fills the queue, while this thread waits. */
  burst(size, count) {
    this.#command(`burst ${size} ${count}`);
    return Number(this.#text.toString('latin1', 0, readSync(this.#answers, this.#text)));
  }

  /** Fills it again and again, while this thread goes on. @returns {Promise<number>} */
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
