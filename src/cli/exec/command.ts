/** src/cli/exec/: `tapfd exec`: runs a command with the descriptors of opened devices. On top of device, and of qemu for spawning. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { spawnWithFds } from '../../qemu/spawn-with-fds.js';
import { closeDevices, type OpenDevice, openDevices } from '../device/open.js';
import { type DeviceText, parseDevice } from '../device/spec.js';
import { EXIT } from '../terminal/exit-codes.js';
import { CommandError, codeOf, describeFailure, UsageError } from '../terminal/failure.js';
import { printable } from '../terminal/text.js';
import { checkPlaceholders, fillIn } from './placeholders.js';
import { SignalHandling } from './signals.js';

/** 0, 1 and 2 are tapfd's own, which the command inherits. */
const FIRST_FD = 3;

/** execve(2): what is wrong is the program itself, or the path to it. */
const NOT_EXECUTABLE = ['EACCES', 'ENOEXEC', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG', 'ETXTBSY'];

/** @returns The exit code: the command's own, or 128 and the number of the signal that ended it. */
export async function exec(texts: readonly DeviceText[], command: readonly string[]): Promise<number> {
  try {
    return await run(texts, command);
  } catch (error) {
    // A command may end with any code below 125: those of tapfd itself must differ from it.
    throw error instanceof CommandError ? error : new CommandError(describeFailure(error), EXIT.notStarted);
  }
}

async function run(texts: readonly DeviceText[], [program, ...args]: readonly string[]): Promise<number> {
  if (program === undefined || program === '') throw new UsageError('there is no command: write it after --');
  if (texts.length === 0) throw new UsageError('no device is given: --tap, --tun or --macvtap');
  const specs = texts.map((text) => parseDevice(text, 'handed-over'));
  checkPlaceholders(
    args,
    specs.map(({ kind }) => kind),
  );
  const signals = new SignalHandling();
  let devices: OpenDevice[] = [];
  try {
    devices = await openDevices(specs, { signal: signals.signal, onLost: reportLost });
    const child = await start(program, args, devices, signals.signal);
    signals.passTo(child);
    return await statusOf(child);
  } catch (error) {
    if (signals.endedBy !== undefined) return EXIT.signal + constants.signals[signals.endedBy];
    throw error;
    /* c8 ignore next -- V8 counts a path past try and catch that does not exist */
  } finally {
    await closeDevices(devices);
    signals.close();
  }
}

/** The command has its own descriptors, and finds out itself. */
function reportLost(error: Error): void {
  process.stderr.write(`tapfd exec: ${describeFailure(error)}\n`);
}

async function start(
  program: string,
  args: readonly string[],
  devices: readonly OpenDevice[],
  signal: AbortSignal,
): Promise<ChildProcess> {
  let next = FIRST_FD;
  const facts = devices.map(({ device, queues, guestMac }) => ({
    fds: queues.map(() => next++),
    mac: guestMac,
    name: device.name,
    index: device.index,
  }));
  const fds = devices.flatMap(({ queues }) => queues.map(({ fd }) => fd));
  try {
    return await spawnWithFds(program, fillIn(args, facts), fds, { stdio: 'inherit', signal });
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') {
      const where = program.includes('/') ? '' : ' in PATH';
      throw new CommandError(`there is no program ${printable(program)}${where} (ENOENT)`, EXIT.notFound);
    }
    if (NOT_EXECUTABLE.includes(code)) {
      throw new CommandError(`${printable(program)} cannot be executed (${code})`, EXIT.notExecutable);
    }
    throw error;
  }
}

/** Called in the turn of its start: it cannot have ended unseen. */
async function statusOf(child: ChildProcess): Promise<number> {
  const [code, signal]: [number | null, NodeJS.Signals] = await exited(child);
  return code ?? EXIT.signal + constants.signals[signal];
}

/** Without a code there is a signal. */
async function exited(child: ChildProcess): Promise<[number | null, NodeJS.Signals]> {
  const [code, signal] = await once(child, 'exit');
  return [code, signal];
}
