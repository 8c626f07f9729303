import { readFileSync } from 'node:fs';
import t from 'tap';
import { fileNeeds } from '../kit/capabilities.js';
import {
  FailingSyscalls,
  failingSyscallsEnvironment,
  importedFunctions,
  interposedFunctions,
} from '../kit/failing-syscalls.js';
import { inRepo } from '../kit/paths.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const ADDON = inRepo('build/Release/tapfd.node');

/** Imports that are no system calls, or that a test cannot make fail. */
const NOT_INTERPOSED = new Set([
  // A descriptor is gone after close() whatever it returns.
  'close',
  'closedir',
  'dirfd',
  // Made by the thread that polls for Bun and Deno, which no Node process has.
  'epoll_wait',
  'eventfd_write',
  'fclose',
  'fgets',
  // Without the guard of a stack, which has room enough, all goes on.
  'mprotect',
  'munmap',
  // Made in a child between fork and exec.
  'prctl',
  'readdir64',
  'sigfillset',
  // The process that stood in is gone whatever it returns.
  'waitpid',
]);
const PURE =
  /^(_|napi_|node_|uv_|mem|str|inet_|isoc|sscanf|snprintf|vsnprintf|free|malloc|pthread_(?!create)|calloc|realloc|abort|gnu_dev_|getp?pid|gete[gu]id|gettid|if_nametoindex)/;

t.test('every system call that the addon imports can be made to fail', async (t) => {
  const interposed = new Set(await interposedFunctions());
  const forgotten = importedFunctions(ADDON).filter(
    (name) => !interposed.has(name) && !NOT_INTERPOSED.has(name) && !PURE.test(name),
  );
  t.strictSame(forgotten, [], 'stand before these in failing_syscalls.c');
});

t.test('a process without the library cannot be armed', async (t) => {
  t.equal(FailingSyscalls.attach(), undefined);
});

t.test('the library is built once', async (t) => {
  const directory = t.testdir();
  const { LD_PRELOAD } = await failingSyscallsEnvironment(directory);
  const again = await failingSyscallsEnvironment(directory);
  t.equal(again.LD_PRELOAD, LD_PRELOAD);
  t.match(readFileSync(String(LD_PRELOAD)).subarray(1, 4).toString(), 'ELF');
});
