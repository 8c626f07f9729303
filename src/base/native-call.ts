/** Turns failures of native calls into the library's errors, with cause and remedy. */
import { errnoName, isError, TapfdError, type TapfdErrorDetails } from './errors.js';
import { explain } from './remedies.js';

/** What was being done when a native call failed, for the message. */
export interface FailureContext {
  /** `openTap`, `links.create`, `setMac`. */
  operation: string;
  interface?: string;
  path?: string;
  /** Cause and remedy, if the caller knows more than the table does. */
  remedy?: string;
}

/** Turns an error of the addon into the public error. Returns any other value unchanged. */
export function fromNative(error: unknown, context: FailureContext): unknown {
  if (!isError(error) || error instanceof TapfdError) return error;
  const failure = error as Error & TapfdErrorDetails & { code?: string };
  if (failure.errno === undefined) {
    if (failure.code === undefined) return error;
    return new TapfdError(
      failure.code,
      `${context.operation}: ${failure.message}`,
      factsOf(failure, context),
    );
  }
  const code = errnoName(failure.errno);
  const facts = factsOf(failure, context);
  return new TapfdError(
    code,
    `${context.operation}: ${explain(code, failure, facts, context.remedy, subjectOf(failure, context))}`,
    facts,
  );
}

/** The file or interface that the message names. A template such as `tap%d` names neither. */
function subjectOf(failure: TapfdErrorDetails, context: FailureContext): string | undefined {
  const subject = failure.path ?? failure.interface ?? context.interface;
  return subject?.includes('%') ? undefined : subject;
}

function factsOf(failure: TapfdErrorDetails, context: FailureContext): TapfdErrorDetails {
  const facts: TapfdErrorDetails = { cause: failure };
  if (failure.errno !== undefined) facts.errno = failure.errno;
  if (failure.syscall !== undefined) facts.syscall = failure.syscall;
  if (failure.detail !== undefined) facts.detail = failure.detail;
  const path = failure.path ?? context.path;
  if (path !== undefined) facts.path = path;
  const name = failure.interface ?? context.interface;
  if (name !== undefined) facts.interface = name;
  return facts;
}

/** Looks for the cause of a failure that only the caller can find; undefined if it finds none. */
type RemedyFinder = (error: TapfdError) => Promise<string | undefined>;

const findsNone: RemedyFinder = async () => undefined;

/** Awaits a native call and turns its failure into the public error. */
export async function nativeCall<T>(
  context: FailureContext,
  call: () => Promise<T>,
  findRemedy = findsNone,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const failure = fromNative(error, context);
    const remedy = failure instanceof TapfdError ? await findRemedy(failure) : undefined;
    throw remedy === undefined ? failure : fromNative(error, { ...context, remedy });
  }
}
