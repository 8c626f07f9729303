/** Completion, by the shells themselves. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { needs } from '../../kit/capabilities.js';
import { outputOf, tapfd } from '../../kit/command.js';
import { ownNamespace, run } from '../../kit/namespace.js';

const directory = mkdtempSync(join(tmpdir(), 'tapfd-completion-'));
t.teardown(() => rmSync(directory, { recursive: true }));

async function scriptFor(shell: string): Promise<string> {
  const { code, output } = await tapfd(['completion', shell]);
  t.equal(code, 0);
  const path = join(directory, shell);
  writeFileSync(path, output);
  return path;
}

t.test('bash completes commands, options, values and the command of exec', async (t) => {
  const script = await scriptFor('bash');
  const complete = async (...words: string[]) => {
    const list = words.map((word) => `'${word}'`).join(' ');
    const lines = `source ${script}; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _tapfd; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return (await run('bash', '-c', lines)).split('\n').filter((line) => line !== '');
  };
  t.same(await complete('tapfd', 'do'), ['doctor']);
  t.same(await complete('tapfd', 'd'), ['doctor', 'dump']);
  t.same(await complete('tapfd', 'list', '--'), ['--all', '--tree', '--json', '--help']);
  t.same(await complete('tapfd', 'completion', ''), ['bash', 'zsh', 'fish']);
  t.same(await complete('tapfd', 'relay', '--framing', ''), ['qemu', 'vpnkit', 'bare16']);
  t.same(await complete('tapfd', 'help', 'ex'), ['exec']);
  t.same(await complete('tapfd', 'dump', 'l'), ['lo'], 'a link of this namespace');
  t.ok((await complete('tapfd', 'dump', '--write', '/etc/pass')).includes('/etc/passwd'));
  t.same(await complete('tapfd', 'dump', '--count', ''), []);
  t.same(await complete('tapfd', 'exec', ''), ['--']);
  t.ok((await complete('tapfd', 'exec', '--tap', '--', 'bas')).includes('bash'));
  t.ok((await complete('tapfd', 'exec', '--tap', '--', 'cat', '/etc/pass')).includes('/etc/passwd'));
});

t.test(
  'bash runs and expands nothing that a name holds',
  { skip: needs('root', 'netns', 'ip') },
  async (t) => {
    const script = await scriptFor('bash');
    const ns = await ownNamespace(t);
    const place = t.testdir({ 'a file': '', other: '' });
    for (const name of ['$(id>got)', '*', 'plain'])
      await ns.ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `p${name.length}`);
    const complete = async (words: string) => {
      const lines = `cd ${place}; source ${script}; COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _tapfd; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return (await ns.exec('bash', '-c', lines)).split('\n').filter((line) => line !== '');
    };
    t.same(await complete("tapfd list ''"), ['\\$\\(id\\>got\\)', '\\*', 'lo', 'p1', 'p5', 'p9', 'plain']);
    t.same(await complete("tapfd list 'pl'"), ['plain']);
    t.same(await complete('tapfd dump -w a'), ['a file']);
    t.same(await complete('tapfd exec -- cat a'), ['a file']);
    t.same(readdirSync(place).sort(), ['a file', 'other'], 'nothing ran');
  },
);

t.test('zsh loads it and knows the commands', { skip: needs('zsh') }, async (t) => {
  const script = await scriptFor('zsh');
  await run('zsh', '-n', script);
  const pty = [
    'zmodload zsh/zpty; zpty z zsh -f -i',
    `zpty -w z 'PS1=; autoload -U compinit; compinit -u -D; source ${script}; echo re""ady'`,
    "zpty -r z out '*ready*'",
    "zpty -n -w z $'tapfd doc\\t'; zpty -r z out '*doctor*'; print -r -- found",
    "zpty -n -w z $'\\C-utapfd list --tr\\t'; zpty -r z out '*--tree*'; print -r -- found",
  ].join('\n');
  t.equal(await outputOf('zsh', ['-f'], pty), 'found\nfound\n');
});

t.test('fish completes commands, options and values', { skip: needs('fish') }, async (t) => {
  const script = await scriptFor('fish');
  const complete = async (line: string) =>
    (await run('fish', '--no-config', '-c', `source ${script}; complete -C '${line}'`))
      .split('\n')
      .map((found) => found.split('\t')[0])
      .filter((found) => found !== '');
  t.same(await complete('tapfd doc'), ['doctor']);
  t.ok((await complete('tapfd list --')).includes('--tree'));
  t.same((await complete('tapfd completion ')).sort(), ['bash', 'fish', 'zsh']);
  t.same((await complete('tapfd relay --framing ')).sort(), ['bare16', 'qemu', 'vpnkit']);
  t.ok((await complete('tapfd dump ')).includes('lo'));
  t.ok((await complete('tapfd dump --write /etc/pass')).includes('/etc/passwd'));
});
