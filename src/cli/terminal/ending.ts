/** The signals that end a command. */

/** Ends the listening. */
export type Forget = () => void;

const ENDING: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/**
 * Calls back for a signal that would end tapfd, until the returned function is called: what was opened has to be closed
 * first.
 */
export function onEndingSignal(callback: (signal: NodeJS.Signals) => void): Forget {
  for (const signal of ENDING) process.on(signal, callback);
  return () => {
    for (const signal of ENDING) process.off(signal, callback);
  };
}

/** The end of a command that runs until somebody ends it. */
export interface Ending {
  signal: AbortSignal;
  forget: Forget;
}

/** SIGINT, SIGTERM, SIGHUP and SIGQUIT end the command in good order. */
export function untilEnded(): Ending {
  const abort = new AbortController();
  const forget = onEndingSignal(() => abort.abort());
  return { signal: abort.signal, forget };
}
