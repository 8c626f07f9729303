/** The library's errors: one class, for failed system calls and for the library's own refusals. */

/** What a {@link TapfdError} may have besides its code and message. */
export interface TapfdErrorDetails {
  /** Negative errno of the failed system call, as in Node's own errors. */
  errno?: number | undefined;
  /** The failed call: `open`, `ioctl TUNSETIFF`, `rtnetlink RTM_NEWLINK`. */
  syscall?: string | undefined;
  /** The file concerned. */
  path?: string | undefined;
  /** The network interface concerned. */
  interface?: string | undefined;
  /** The kernel's own message: rtnetlink's extended acknowledgement, or the log of the eBPF verifier. */
  detail?: string | undefined;
  /** The option or argument that was refused: `name`, `guestMac`. */
  argument?: string | undefined;
  /** `writeBatch`: how many frames were sent although others were refused. */
  framesTaken?: number | undefined;
  /** Reading a capture: the byte of the file at which it is wrong. */
  offset?: number | undefined;
  /** True if the stream or object still works after this error. Default false. */
  recoverable?: boolean | undefined;
  /** The underlying error of the system or of Node. */
  cause?: unknown | undefined;
}

/**
 * Every error of this library.
 *
 * `code` is the kernel's own name (`EBUSY`) if a system call failed, and `ERR_TAPFD_…` if the library refused.
 * Branch on `code`, never on the message.
 */
export class TapfdError extends Error {
  /** The kernel's name of a failed call's errno (`EBUSY`), or `ERR_TAPFD_…`. docs/errors.md lists them with remedies. */
  readonly code: string;
  /** Negative errno of the failed system call; absent if the library itself refused. */
  declare readonly errno?: number;
  /** The failed call: `open`, `ioctl TUNSETIFF`, `rtnetlink RTM_NEWLINK`. */
  declare readonly syscall?: string;
  /** The file concerned. */
  declare readonly path?: string;
  /** The network interface concerned. */
  declare readonly interface?: string;
  /** The kernel's own message: rtnetlink's extended acknowledgement, or the log of the eBPF verifier. */
  declare readonly detail?: string;
  /** The option or argument that was refused. */
  declare readonly argument?: string;
  /** `writeBatch`: how many frames were sent although others were refused. */
  declare readonly framesTaken?: number;
  /** Reading a capture: the byte of the file at which it is wrong. */
  declare readonly offset?: number;
  /** True if the stream or object that reported the error still works. */
  readonly recoverable: boolean;

  /** The library creates these errors; a program may do so for its own tests. */
  constructor(code: string, message: string, details: TapfdErrorDetails = {}) {
    const { cause, recoverable = false, ...facts } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'TapfdError';
    this.code = code;
    this.recoverable = recoverable;
    for (const [name, fact] of Object.entries(facts))
      if (fact !== undefined) Object.assign(this, { [name]: fact });
  }
}

/** An invalid argument, found before any system call. */
export function invalidArgument(argument: string, expected: string, received: unknown): TapfdError {
  return new TapfdError(
    'ERR_TAPFD_INVALID_ARGUMENT',
    `${argument} must be ${expected}; received ${describe(received)}`,
    { argument },
  );
}

/** A call that the object's current state does not allow. */
export function invalidState(message: string, facts: TapfdErrorDetails = {}): TapfdError {
  return new TapfdError('ERR_TAPFD_INVALID_STATE', message, { recoverable: true, ...facts });
}

/** A revoked Proxy: whatever is asked of it throws. */
export function isRevoked(value: unknown): boolean {
  try {
    Array.isArray(value);
    return false;
  } catch {
    return true;
  }
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (value === null || ['number', 'boolean', 'undefined', 'bigint', 'symbol'].includes(typeof value)) {
    return String(value);
  }
  if (typeof value === 'function') return 'a function';
  return !isRevoked(value) && Array.isArray(value) ? 'an array' : 'an object';
}

/** Values of errno that tun.c and tap.c return, but that libuv has no name for. */
const NAMES_UNKNOWN_TO_LIBUV: Partial<Record<number, string>> = {
  [-67]: 'ENOLINK',
  [-77]: 'EBADFD',
};

/**
 * The name of a negative errno: `EBUSY`. `node:util` is asked for here only, because `tapfd/packets`, which has errors but
 * no system calls, also runs where there is none.
 */
export function errnoName(errno: number): string {
  return NAMES_UNKNOWN_TO_LIBUV[errno] ?? process.getBuiltinModule('node:util').getSystemErrorName(errno);
}
