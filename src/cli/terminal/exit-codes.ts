/**
 * src/cli/terminal/: what all commands say and how they end: colours, columns, messages, exit codes. On top of base.
 *
 * Here: the exit codes; docs/command.md has the same table.
 */
export const EXIT = {
  /** Done. `doctor`: nothing is missing. */
  ok: 0,
  /** Failed: the message on standard error says why. */
  failed: 1,
  /** The command line is wrong: nothing was done. */
  usage: 2,
  /** `doctor`: something is missing that not everybody needs. */
  warnings: 3,
  /** `doctor`: no device can be opened, or not by this user. */
  errors: 4,
  /** `relay`: the peer could not be reached, went away within a frame, or broke the protocol. */
  peer: 5,
  /** `exec`: tapfd itself failed, so that the command was not started. */
  notStarted: 125,
  /** `exec`: the command is no executable program. */
  notExecutable: 126,
  /** `exec`: there is no such command. */
  notFound: 127,
  /** `exec`: plus the number of the signal that ended the command. */
  signal: 128,
} as const;
