/** The signals that end a command. */

const ENDING: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/** The end of a command that runs until somebody ends it. */
export interface Ending {
  signal: AbortSignal;
  /** Ends the listening. */
  forget: () => void;
}

/** SIGINT, SIGTERM, SIGHUP and SIGQUIT end the command in good order. */
export function untilEnded(): Ending {
  const abort = new AbortController();
  const listener = (): void => abort.abort();
  for (const signal of ENDING) process.on(signal, listener);
  const forget = (): void => {
    for (const signal of ENDING) process.off(signal, listener);
  };
  return { signal: abort.signal, forget };
}
