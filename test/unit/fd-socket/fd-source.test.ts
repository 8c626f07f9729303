/** Closing a descriptor by its number, in a runtime that closes only what it has opened itself. */
import t from 'tap';
import { needs } from '../../kit/capabilities.js';
import { runChild } from '../../kit/child.js';

const DENO = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { ...process.versions, deno: '2.9.6' } })`;

/** Refuses to close `fd`, as Deno does, and then closes it as the library does. */
const CLOSING = `
  import fs, { fstatSync, openSync } from 'node:fs';
  import { syncBuiltinESMExports } from 'node:module';
  const fd = openSync('/dev/null');
  const { close } = fs;
  fs.close = (number, ...rest) => (number === fd ? rest[0](new Error('EBADF')) : close(number, ...rest));
  syncBuiltinESMExports();
  const { closeFd } = await import('#lib/fd-socket/fd-source.js');
  const isOpen = () => {
    try {
      return fstatSync(fd).isCharacterDevice();
    } catch ({ code }) {
      return code;
    }
  };
  await closeFd(fd);
  console.log(isOpen());`;

t.test('what Deno does not close, the addon does', { skip: needs('node') }, async (t) => {
  const ended = await runChild(CLOSING, [], ['--import', DENO]);
  t.match(ended, { code: 0, output: 'EBADF\n', errors: '' });
});

t.test('elsewhere a close that fails is over', { skip: needs('node') }, async (t) => {
  // The number may be that of another file by now.
  const ended = await runChild(CLOSING);
  t.match(ended, { code: 0, output: 'true\n', errors: '' });
});
