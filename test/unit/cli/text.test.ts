/** What the command prints: columns, wrapped lines, colours, errors. */
import t from 'tap';
import { TapfdError } from 'tapfd';
import { CommandError, describeFailure, reportFailure, UsageError } from '#lib/cli/terminal/failure.js';
import { jsonOf } from '#lib/cli/terminal/output.js';
import { styleFor, widthFor } from '#lib/cli/terminal/style.js';
import { columns, cut, cutLine, printable, widthOf, wrap } from '#lib/cli/terminal/text.js';

/** Half of a character. Deno takes no module that has one in a literal. */
const LONE = String.fromCharCode(0xd800);

t.test('nothing that a terminal obeys gets through', async (t) => {
  t.equal(printable('tap\u001b[31m0\u009b\n'), 'tap\\x1b[31m0\\x9b\\x0a');
  t.equal(printable('a\u202eb\u2028'), 'a\\x202eb\\x2028');
  t.equal(printable('büro-0'), 'büro-0');
});

t.test('nor in JSON, which stays the same value', async (t) => {
  const value = { name: `a\u001b\u007f\u009b31m\u202e\u2028\uffff${LONE}\u{e0001}\n`, ü: '😀' };
  for (const indent of [undefined, 2]) {
    const text = jsonOf(value, indent);
    t.equal(printable(text.replaceAll('\n', '')), text.replaceAll('\n', ''));
    t.same(JSON.parse(text), value);
  }
});

t.test('columns are as wide as their widest cell, whatever its colours', async (t) => {
  const red = styleFor({ isTTY: true }, {}).red;
  t.same(
    columns(
      [
        ['a', 'bbb', 'c'],
        [red('aaaa'), 'b', 'ccc'],
      ],
      [2],
    ),
    ['a     bbb    c', `${red('aaaa')}  b    ccc`],
  );
  t.same(
    columns([
      ['a', 'b'],
      ['a', 'bbb'],
    ]),
    ['a  b', 'a  bbb'],
  );
  t.same(
    columns(
      [
        ['a', 'b'],
        ['a', 'bbb'],
      ],
      [],
      true,
    ),
    ['a  b  ', 'a  bbb'],
  );
  t.same(columns([['a'], ['a', 'b']]), ['a', 'a  b']);
});

t.test('lines are broken at blanks and keep their indent', async (t) => {
  t.same(wrap('one two three', 7), ['one two', 'three']);
  t.same(wrap('  - one two three', 9, '    '), ['  - one', '    two', '    three']);
  t.same(wrap('', 5), ['']);
  t.same(wrap('averylongword', 5), ['averylongword']);
});

t.test('what does not fit is cut', async (t) => {
  t.equal(cut('abcdef', 6), 'abcdef');
  t.equal(cut('abcdef', 4), 'abc…');
  t.equal(cut('abc', 0), '…');
  const { bold } = styleFor({ isTTY: true }, {});
  t.equal(cutLine(`${bold('abcdef')} x`, 4), `${bold('abc')}…`);
  t.equal(widthOf(cutLine(bold('abcdef'), 3)), 3);
  t.equal(cutLine(bold('abc'), 3), bold('abc'));
});

t.test('colours are for terminals, and for who asks for them', async (t) => {
  const isRed = (isTTY: boolean, env: Record<string, string>) => styleFor({ isTTY }, env).red('x') !== 'x';
  t.equal(isRed(true, {}), true);
  t.equal(isRed(false, {}), false);
  t.equal(isRed(true, { NO_COLOR: '1' }), false);
  t.equal(isRed(true, { NO_COLOR: '' }), true);
  t.equal(isRed(true, { TERM: 'dumb' }), false);
  t.equal(isRed(false, { FORCE_COLOR: '1' }), true);
  t.equal(isRed(false, { FORCE_COLOR: '', NO_COLOR: '1' }), true);
  t.equal(isRed(true, { FORCE_COLOR: '0' }), false);
  t.equal(isRed(true, { FORCE_COLOR: 'false' }), false);
  t.equal(widthFor({}), 80);
  t.equal(widthFor({ columns: 120 }), 120);
  t.equal(widthFor({ columns: 3 }), 40);
});

t.test('an error is one line with its code', async (t) => {
  t.equal(
    describeFailure(new TapfdError('EBUSY', 'openTap: busy (EBUSY, tap0); close it')),
    'openTap: busy (EBUSY, tap0); close it',
  );
  t.equal(
    describeFailure(Object.assign(new Error('gone\n at\u001b[0m'), { code: 'ENOENT' })),
    'gone at\\x1b[0m (ENOENT)',
  );
  t.equal(describeFailure('text'), 'text');
  t.equal(describeFailure(new Error('plain')), 'plain');
});

t.test('each kind of error has its exit code', async (t) => {
  const said: string[] = [];
  const { write } = process.stderr;
  process.stderr.write = (text: string | Uint8Array) => said.push(String(text)) > 0;
  const codes = [
    reportFailure('list', new UsageError('wrong')),
    reportFailure('list', new CommandError('failed', 42)),
    reportFailure('list', new TapfdError('ERR_TAPFD_INVALID_ARGUMENT', 'mac must be …')),
    reportFailure('list', new TapfdError('EPERM', 'no')),
    reportFailure('list', 'thrown'),
  ];
  process.stderr.write = write;
  t.same(codes, [2, 42, 2, 1, 1]);
  t.equal(said[0], 'tapfd list: wrong\n');
});
