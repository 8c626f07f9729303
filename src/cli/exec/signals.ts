/** The signals of the command: what is sent to tapfd reaches it. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What is done about each: before there is a command, only those that end tapfd count. */
const SIGNALS = {
  /** A terminal sends them to all its programs, the command among them. */
  SIGINT: { ends: true, isKey: true },
  SIGQUIT: { ends: true, isKey: true },
  SIGTERM: { ends: true, isKey: false },
  SIGHUP: { ends: true, isKey: false },
  SIGUSR1: { ends: false, isKey: false },
  SIGUSR2: { ends: false, isKey: false },
  SIGWINCH: { ends: false, isKey: false },
  SIGTSTP: { ends: false, isKey: false },
  SIGCONT: { ends: false, isKey: false },
} as const satisfies Partial<Record<NodeJS.Signals, { ends: boolean; isKey: boolean }>>;

type HandledSignal = keyof typeof SIGNALS;

/**
 * Takes the signals from its making to `close()`, with the same listeners throughout: at no moment does one have the
 * system's default effect, which would leave the command behind.
 *
 * - Before the command runs, one that ends programs aborts `signal`.
 * - Then they are passed on. SIGINT and SIGQUIT of a terminal reach the command by themselves, and are not sent twice.
 * - SIGTSTP stops the command, and then tapfd, so that the shell notices; SIGCONT goes to both. Where there is no shell
 *   that could let them go on (an orphaned process group), the kernel stops neither.
 */
export class SignalHandling {
  /** The one that ended tapfd before the command ran. */
  endedBy: NodeJS.Signals | undefined;
  readonly #abort = new AbortController();
  #child: ChildProcess | undefined;
  readonly #listeners = new Map<HandledSignal, () => void>();

  constructor() {
    for (const signal of Object.keys(SIGNALS).filter(isHandled)) {
      const listener = (): void => this.#take(signal);
      this.#listeners.set(signal, listener);
      process.on(signal, listener);
    }
  }

  /** Aborted by a signal that comes before the command. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** From now on signals are the command's. */
  passTo(child: ChildProcess): void {
    this.#child = child;
  }

  close(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  #take(signal: HandledSignal): void {
    const { ends, isKey } = SIGNALS[signal];
    if (this.#child !== undefined) {
      if (!isKey || !hasTerminal()) this.#child.kill(signal);
    } else if (ends) {
      this.endedBy = signal;
      this.#abort.abort();
    }
    if (signal === 'SIGTSTP') this.#stopItself(signal);
  }

  /** By the system's own effect, while all other signals are still taken. */
  #stopItself(signal: 'SIGTSTP'): void {
    const mine = process.listeners(signal);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    /* c8 ignore next 2 -- Node writes what was covered before a signal that may end it; exec.test.ts stops it twice */
    for (const listener of mine) process.on(signal, listener);
  }
}

function isHandled(name: string): name is HandledSignal {
  return Object.hasOwn(SIGNALS, name);
}

/** Whether this process group is in the foreground of a terminal, whose keys then signal all of it (proc_pid_stat(5)). */
function hasTerminal(): boolean {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  // The command in parentheses may hold blanks and parentheses itself.
  const [, , group, , terminal, foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return terminal !== '0' && foreground === group;
}
