/** A peer that shares no code with the library: Python's socket module. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { Test } from 'tap';
import { FdSocket } from 'tapfd';

const PRELUDE = `
import array, os, socket, sys
def line(): sys.stdin.readline()
peer = socket.socket(fileno=3)
`;

export interface PythonPeer {
  /** Our end of the pair of which \`peer\` in the script is the other. */
  socket: FdSocket;
  /** Lets the script continue after its next \`line()\`. */
  go(): Promise<void>;
  /** What it printed, once it has succeeded. */
  output(): Promise<string>;
}

/** Runs a script in which \`peer\` is a connected socket. */
export function python3(t: Test, script: string): PythonPeer {
  const [ours, theirs] = FdSocket.pair();
  const child = spawn('python3', ['-c', `${PRELUDE}\n${script}`], {
    stdio: ['pipe', 'pipe', 'pipe', theirs.fd],
  });
  void theirs.close();
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error('no pipes');
  const ended = once(child, 'close');
  const printed = text(stdout);
  const complaints = text(stderr);
  t.teardown(async () => {
    stdin.end();
    await Promise.all([ended, ours.close()]);
  });
  return {
    socket: ours,
    go: () => new Promise((resolve) => stdin.write('\n', () => resolve())),
    async output() {
      const [status] = await ended;
      t.equal(status, 0, await complaints);
      return printed;
    },
  };
}
