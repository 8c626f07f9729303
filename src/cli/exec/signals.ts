/** The signals of the command: what is sent to tapfd reaches it. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Forget } from '../terminal/ending.js';

/** Those that a terminal sends to all its programs, the command among them. */
const FROM_THE_KEYBOARD: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];

/** Those that reach the command from here only, or that do no harm when they come twice. */
const PASSED_ON: readonly NodeJS.Signals[] = [
  'SIGTERM',
  'SIGHUP',
  'SIGUSR2',
  'SIGWINCH',
  'SIGCONT',
  'SIGUSR1',
];

/**
 * Passes signals on to the command from now on.
 *
 * - SIGINT and SIGQUIT of a terminal reach the command by themselves, and are not sent twice.
 * - SIGTSTP stops the command, and then tapfd, so that the shell notices; SIGCONT goes to both.
 */
export function passSignalsTo(child: ChildProcess): Forget {
  const listeners: [NodeJS.Signals, () => void][] = [
    ...PASSED_ON.map((signal): [NodeJS.Signals, () => void] => [signal, () => child.kill(signal)]),
    ...FROM_THE_KEYBOARD.map((signal): [NodeJS.Signals, () => void] => [
      signal,
      () => {
        if (!hasTerminal()) child.kill(signal);
      },
    ]),
    [
      'SIGTSTP',
      () => {
        child.kill('SIGTSTP');
        process.kill(process.pid, 'SIGSTOP');
      },
    ],
  ];
  for (const [signal, listener] of listeners) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
}

/** Whether this process group is in the foreground of a terminal, whose keys then signal all of it (proc_pid_stat(5)). */
function hasTerminal(): boolean {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  // The command in parentheses may hold blanks and parentheses itself.
  const [, , group, , terminal, foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return terminal !== '0' && foreground === group;
}
