/** Kills children when their process ends in any way, SIGKILL included, where the runtime cannot ask the kernel for that. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';

/**
 * Waits until its input ends, which it does with the process that has the other end. It knows the child from its start:
 * nothing is to be written that a sudden end could come before. What a terminal sends to all of a group must not end it.
 */
const PROGRAM = `trap '' HUP INT QUIT TERM
read -r line
kill -s KILL "$1"`;

/** Children that die with this process. */
export class Guard {
  readonly #programs = new Set<Program>();

  /** Until it ends, or {@link close}. */
  add(child: ChildProcess): void {
    if (child.pid === undefined) return;
    const program = startProgram(child.pid);
    this.#programs.add(program);
    child.once('exit', () => end(program.child));
    program.child.once('exit', () => this.#programs.delete(program));
  }

  /** Guards nothing any more. */
  async close(): Promise<void> {
    const programs = [...this.#programs];
    for (const { child } of programs) {
      child.ref();
      end(child);
    }
    await Promise.all(programs.map(({ ended }) => ended));
  }
}

/** By the signal and nothing else: its input must not end before it, which is what it waits for. */
function end({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid !== undefined && exitCode === null && signalCode === null) process.kill(pid, 'SIGKILL');
}

interface Program {
  child: ChildProcess;
  ended: Promise<void>;
}

/** It keeps neither this process alive nor its directory. */
function startProgram(pid: number): Program {
  const child = spawn('/bin/sh', ['-c', PROGRAM, 'sh', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    detached: true,
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  return { child, ended };
}
