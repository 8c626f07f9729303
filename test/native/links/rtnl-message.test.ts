/** The parser of netlink messages on malformed ones, in C++, with the address sanitizer if there is one. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { ROOT } from '../../kit/paths.js';

const execute = promisify(execFile);
const compiler = process.env.CXX ?? 'c++';

async function compile(output: string, ...flags: string[]): Promise<void> {
  const sources = [
    'test/native/links/rtnl_message_test.cc',
    'native/links/rtnl/message.cc',
    'native/links/link.cc',
    'native/links/link_from_message.cc',
    'native/links/link_request.cc',
    'native/links/rtnl/socket.cc',
    'native/sys/net_namespace.cc',
  ];
  const options = ['-std=c++17', '-O0', '-pthread', '-Inative', ...flags, '-o', output];
  await execute(compiler, [...options, ...sources], { cwd: ROOT });
}

t.test('malformed messages are read as far as they are valid and no further', async (t) => {
  const program = join(t.testdir(), 'rtnl_message_test');
  await compile(program, '-fsanitize=address').catch(async (error) => {
    t.comment(`without a sanitizer: ${String(error.stderr).split('\n', 1)[0]}`);
    await compile(program);
  });
  const { stdout } = await execute(program);
  t.equal(stdout, 'all right\n');
});
