/** Opening calls in a process of their own: another namespace, other capabilities, another user. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { childCommand } from './child.js';
import { ROOT } from './paths.js';

const runFile = promisify(execFile);

/** The outcome of a call: facts about the device, or about the error. */
export interface Outcome {
  opened?: { kind: string; name: string; index: number; mac?: string };
  error?: {
    code: string;
    errno?: number;
    syscall?: string;
    path?: string;
    interface?: string;
    message: string;
  };
}

export type OpeningCall = 'openTap' | 'openTun' | 'openMacvtap';

/** For the child: turns the promise of a device, which is then destroyed, or of anything else into an Outcome. */
const OUTCOME_OF = `
  async function outcomeOf(call) {
    try {
      const device = await call();
      if (device === undefined) return {};
      const { kind, name, index, mac } = device;
      await device[Symbol.asyncDispose]();
      return { opened: { kind, name, index, mac } };
    } catch (error) {
      const { code, errno, syscall, path, message } = error;
      return { error: { code, errno, syscall, path, interface: error.interface, message } };
    }
  }`;

export interface ChildPlace {
  /** Command line to run Node with: `['nsenter', '--net=…']`. */
  prefix: string[];
  /** Changes from uid 0 to this uid and gid before the calls, and so loses all capabilities. */
  as?: number;
  /** Where 'tapfd' is imported from. Default: this package. */
  directory?: string;
}

/** Runs calls, each a JavaScript expression such as `openTap({ name: 'x' })`, one after the other. */
export async function callsInChild<Name extends string>(
  { prefix, as, directory = ROOT }: ChildPlace,
  calls: Record<Name, string>,
): Promise<Record<Name, Outcome>> {
  const identity =
    as === undefined ? '' : `process.setgroups([]); process.setegid(${as}); process.seteuid(${as});`;
  const entries = Object.entries(calls).map(([name, call]) => `[${JSON.stringify(name)}, () => ${call}]`);
  const module = `
    import { adoptFd, openMacvtap, openTap, openTun } from 'tapfd';
    ${OUTCOME_OF}
    ${identity}
    const outcomes = {};
    for (const [name, call] of [${entries.join(', ')}]) outcomes[name] = await outcomeOf(call);
    ${as === undefined ? '' : 'process.seteuid(0);'}
    process.stdout.write(JSON.stringify(outcomes));`;
  const [command, ...args] = [...prefix, ...childCommand(module, [], [], directory)];
  const { stdout } = await runFile(command, args, { cwd: directory });
  return JSON.parse(stdout);
}

/** Runs one call in a Node process behind `prefix`. */
export async function openInChild(prefix: string[], call: OpeningCall, options: object): Promise<Outcome> {
  const { outcome } = await callsInChild({ prefix }, { outcome: `${call}(${JSON.stringify(options)})` });
  return outcome;
}

/** Runs the next command without this capability: `sys_admin`, `mknod`. */
export function without(capability: string): string[] {
  return ['setpriv', `--bounding-set=-${capability}`, `--inh-caps=-${capability}`];
}
