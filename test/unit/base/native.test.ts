/** The addon that is not there: what a caller hears, and when. */
import t from 'tap';
import { needs } from '../../kit/capabilities.js';
import { runChild } from '../../kit/child.js';

// The child puts itself in the place of Node's module loader.
t.test(
  'no addon, or nothing that finds one: the error says what to do',
  { skip: needs('node') },
  async (t) => {
    const ways = {
      'no file': `() => { throw Object.assign(new Error('Could not locate the bindings file'), { tries: [] }); }`,
      'no package': `(() => { throw Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' }); })()`,
    };
    for (const [way, bindings] of Object.entries(ways)) {
      const { output, errors, code } = await runChild(`
      import Module from 'node:module';
      const load = Module._load;
      Module._load = (name, ...rest) => (name === 'bindings' ? ${bindings} : load(name, ...rest));
      const { links, randomMac } = await import('tapfd');
      console.log(randomMac().length, 'without it');
      await links.list().catch(({ code, message, path }) => console.log(code, path, message));`);
      t.equal(errors, '', way);
      t.equal(code, 0);
      t.match(output, /^17 without it\nERR_TAPFD_ADDON_NOT_FOUND \/.* there is no addon for linux-/, way);
      t.match(output, /mark it as external.*npx node-gyp rebuild --directory=/);
    }
  },
);

t.test(
  'an addon that does not load: the error says why, and what to do',
  { skip: needs('node') },
  async (t) => {
    const ways: [string, RegExp][] = [
      ["process.dlopen({ exports: {} }, '/etc/passwd')", /npx node-gyp rebuild .*invalid ELF header/],
      // As below, where a process writes nothing of what was covered.
      [
        "{ throw Object.assign(new Error('disabled'), { code: 'ERR_DLOPEN_DISABLED' }); }",
        /start node with --allow-addons/,
      ],
    ];
    for (const [broken, message] of ways) {
      const { output, errors, code } = await runChild(`
      import Module from 'node:module';
      const load = Module._load;
      const broken = () => ${broken};
      Module._load = (name, ...rest) => (name === 'bindings' ? broken : load(name, ...rest));
      const { links } = await import('tapfd');
      await links.list().catch(({ code, message }) => console.log(code, message));`);
      t.same({ errors, code }, { errors: '', code: 0 });
      t.match(output, /^ERR_TAPFD_ADDON_NOT_LOADED /);
      t.match(output, message);
    }
  },
);

t.test('a Node that may load no addon: the error names the option', { skip: needs('node') }, async (t) => {
  const permission = process.versions.node.startsWith('20.') ? '--experimental-permission' : '--permission';
  const { output, errors, code } = await runChild(
    `import { links } from 'tapfd';
    await links.list().catch(({ code, message }) => console.log(code, message));`,
    [],
    [permission, '--allow-fs-read=*', '--no-warnings'],
  );
  t.same({ errors, code }, { errors: '', code: 0 });
  t.match(output, /^ERR_TAPFD_ADDON_NOT_LOADED .*start node with --allow-addons/);
});
