/** Kills children when their process ends in any way, SIGKILL included, where the runtime cannot ask the kernel for that. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';

/**
 * Reads the numbers of the children, a line whenever they change, until its input ends with the process that writes.
 * Whatever ends that must not end this: a terminal's signals reach all of a group.
 */
const PROGRAM = `
trap '' HUP INT QUIT TERM
while read -r line; do children=$line; done
[ -z "$children" ] || kill -s KILL $children`;

/** Children that die with this process. */
export class Guard {
  readonly #children = new Set<number>();
  #program: Program | undefined;

  /** Until it ends, or {@link close}. */
  add(child: ChildProcess): void {
    const { pid } = child;
    if (pid === undefined) return;
    this.#program ??= startProgram();
    this.#children.add(pid);
    this.#tell();
    child.once('exit', () => {
      this.#children.delete(pid);
      this.#tell();
    });
  }

  #tell(): void {
    this.#program?.stdin.write(`${[...this.#children].join(' ')}\n`);
  }

  /** Guards nothing any more. */
  async close(): Promise<void> {
    this.#children.clear();
    this.#tell();
    const program = this.#program;
    this.#program = undefined;
    if (program === undefined) return;
    program.child.ref();
    program.stdin.end();
    await program.ended;
  }
}

interface Program {
  child: ChildProcess;
  stdin: Writable;
  ended: Promise<void>;
}

/** It keeps neither this process alive nor its directory. */
function startProgram(): Program {
  const child = spawn('/bin/sh', ['-c', PROGRAM], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    detached: true,
  });
  const { stdin } = child;
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.unref();
  if (stdin instanceof Socket) stdin.unref();
  // If it is killed, nothing is guarded; the program that it was for goes on.
  stdin.on('error', () => undefined);
  return { child, stdin, ended };
}
