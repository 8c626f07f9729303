/** The command line as a whole: help, version, errors, and what docs/command.md says of exit codes. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { EXIT } from '#lib/cli/terminal/exit-codes.js';
import { bash, tapfd } from '../../kit/command.js';
import { readDocument, tableRows } from '../../kit/markdown.js';
import { inRepo } from '../../kit/paths.js';

const COMMANDS = ['doctor', 'list', 'map', 'top', 'completion', 'exec', 'dump', 'relay'];

t.test('--version is that of the package', async (t) => {
  const { version } = JSON.parse(readFileSync(inRepo('package.json'), 'utf8'));
  for (const option of ['--version', '-V']) {
    const { code, output } = await tapfd([option]);
    t.same({ code, output }, { code: 0, output: `${version}\n` });
  }
});

t.test('help names all commands, in 80 columns, without colours in a pipe', async (t) => {
  const { code, output } = await tapfd(['--help']);
  t.equal(code, 0);
  for (const command of COMMANDS) t.match(output, new RegExp(`^ {2}${command} +\\w`, 'm'));
  t.notMatch(output, '\u001b');
  for (const command of COMMANDS) {
    const help = await tapfd([command, '--help']);
    t.equal(help.code, 0, command);
    t.match(help.output, `Usage: tapfd ${command}`);
    t.same(
      help.output.split('\n').filter((line) => line.length > 80),
      [],
      command,
    );
  }
  const coloured = await tapfd(['--help'], { env: { FORCE_COLOR: '1' } });
  t.match(coloured.output, '\u001b[1mUsage:');
});

t.test('a wrong command line is refused with a suggestion, on standard error', async (t) => {
  const wrong = async (args: string[], message: RegExp, expected = EXIT.usage as number) => {
    const { code, output, errors } = await tapfd(args);
    t.same({ code, output }, { code: expected, output: '' }, args.join(' '));
    t.match(errors, message);
    t.equal(errors.trimEnd().split('\n').length, 1, errors);
  };
  await wrong(['lst'], /^tapfd: unknown command 'lst' \(Did you mean list\?\)/);
  await wrong(['list', '--al'], /^tapfd: unknown option '--al' \(Did you mean --all\?\)/);
  await wrong(['list', '--tree', '--json'], /cannot be used with/);
  await wrong(['top', '--interval', 'x'], /a time of 0.1 to 3600 seconds/);
  await wrong(['top', '--count', '0'], /a number from 1 on/);
  await wrong(['top', '--count', 'x'], /a number from 1 on/);
  await wrong(['dump', 'x', '--fd', '99999999999'], /a number from 0 to 2147483647/);
  await wrong(['dump', 'x', '-w', 'f', '--ring', '1x1'], /must be 4x10/);
  await wrong(['dump', 'x', '-w', 'f', '--ring', 'many'], /must be 4x10/);
  await wrong(['completion', 'tcsh'], /Allowed choices are bash, zsh, fish/);
  await wrong(['exec', '--nonsense'], /unknown option '--nonsense'/, EXIT.notStarted);
  await wrong(['exec', '--', 'true'], /no device is given/, EXIT.notStarted);
  await wrong(['exec', '--tap'], /there is no command/, EXIT.notStarted);
  await wrong(['relay', '--tap'], /give --connect or --listen/);
  await wrong(['relay', '--connect', 'unix:/x'], /give one device/);
  await wrong(['relay', '--tap', '--connect', 'nowhere'], /write unix:PATH, HOST:PORT/);
  await wrong(['relay', '--tap', '--listen', 'unix:/x', '--framing', 'vpnkit'], /goes with --connect only/);
  await wrong(['dump'], /give one device/);
  await wrong(['dump', 'x', '--json', '-w', 'f'], /give one of them/);
  await wrong(['dump', 'x', '--ring', '2x1'], /--ring goes with -w FILE/);
  const none = await tapfd([]);
  t.equal(none.code, EXIT.usage);
  t.match(none.errors, 'Usage: tapfd');
});

t.test('a reader that has gone ends it quietly', async (t) => {
  const { output, errors } = await bash(`tapfd completion bash | true; echo \${PIPESTATUS[0]}`).ended;
  t.equal(output, '0\n');
  t.equal(errors, '');
  const full = await bash('tapfd completion bash > /dev/full; echo $?').ended;
  t.equal(full.output, '1\n');
  // Deno's standard output throws at once.
  t.match(full.errors, process.versions.deno === undefined ? /standard output: .*ENOSPC/ : /ENOSPC/);
});

t.test('docs/command.md has the exit codes of the source', async (t) => {
  const rows = tableRows(readDocument('docs/command.md')).filter(([code]) => /^\d+(…| \+ N)?$/.test(code));
  t.same(
    rows.map(([code]) => Number.parseInt(code, 10)),
    Object.values(EXIT),
  );
});
