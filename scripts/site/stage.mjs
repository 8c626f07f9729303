/** The pages that VitePress builds: the repository's documents, its examples and the reference, with links that fit. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, extname, join, normalize } from 'node:path';
import { ROOT } from '../prepare.mjs';
import { Trouble } from '../run-command.mjs';
import { CONTENTS, GUIDES } from './contents.mjs';
import { withAnchors } from './errors-page.mjs';
import { changeProse, headingOf, withLinks } from './markdown.mjs';

export const SITE = join(ROOT, 'docs/site');
export const PAGES = join(SITE, 'pages');
export const REFERENCE = join(PAGES, 'reference');

/** Pictures and other files that pages show; they keep their place below docs/. */
const PICTURES = ['docs/pictures', 'docs/bench', 'docs/table1'];

/** Files that documents link to and the site does not have: their names stay, without a link. */
const UNLINKED = [
  /^LICENSE$/,
  /^(src|test|bench|scripts|native)\b/,
  /^docs\/(bench|table1)\/results\.json$/,
  /^docs\/api\b/,
];

/** The documents that exist. */
export function existingGuides() {
  return GUIDES.filter(({ file }) => existsSync(join(ROOT, file)));
}

/** Every document that should have a place in the site. */
export function documentsToPlace() {
  const below = (/** @type {string} */ directory) =>
    readdirSync(join(ROOT, directory))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(directory, name));
  return [...below('.'), ...below('docs'), 'examples/README.md'];
}

/** Writes all pages but the reference, which is left where it is. */
export function stagePages() {
  mkdirSync(PAGES, { recursive: true });
  for (const entry of readdirSync(PAGES)) {
    if (entry !== 'reference') rmSync(join(PAGES, entry), { recursive: true });
  }
  cpSync(join(SITE, 'public'), join(PAGES, 'public'), { recursive: true });
  for (const directory of PICTURES) {
    cpSync(join(ROOT, directory), join(PAGES, 'public', directory.replace(/^docs\//, '')), {
      recursive: true,
      filter: (source) => !/\.(md|json|jsonl)$/.test(source),
    });
  }
  for (const { file, page } of existingGuides()) write(page, pageOf(file));
  for (const name of exampleFiles()) write(`examples/${pageName(name)}`, examplePage(name));
  write('index', homePage());
}

/** What the sidebar shows. */
export function sidebar() {
  const existing = new Set(existingGuides());
  return CONTENTS.map(({ title, guides }) => ({
    text: title,
    collapsed: false,
    items: guides
      .filter((guide) => existing.has(guide))
      .map(({ file, page, title }) => ({
        text: title ?? headingOf(read(file)),
        link: `/${page.replace(/index$/, '')}`,
      })),
  })).filter(({ items }) => items.length > 0);
}

/** The examples as the sidebar shows them. */
export function exampleSidebar() {
  const items = exampleFiles().map((name) => ({ text: name, link: `/examples/${pageName(name)}` }));
  return [{ text: 'Examples', link: '/examples/', items }];
}

/** @param {string} file */
function pageOf(file) {
  const text = file === 'docs/errors.md' ? withAnchors(read(file)) : read(file);
  return linked(file, text);
}

/** @param {string} file @param {string} text */
function linked(file, text) {
  const pages = new Map(existingGuides().map(({ file, page }) => [file, page]));
  return withLinks(named(text), (target) => {
    if (/^https?:|^#|^\//.test(target)) return target;
    const [path = '', anchor] = target.split('#');
    const place = normalize(join(dirname(file), path));
    const page = pages.get(place);
    if (page !== undefined) return `/${page}.md${anchor === undefined ? '' : `#${anchor}`}`;
    if (PICTURES.some((directory) => place.startsWith(`${directory}/`)) && place.endsWith('.svg'))
      return place.replace(/^docs/, '');
    if (place.startsWith('examples/') && exampleFiles().some((name) => `examples/${name}` === place))
      return `/examples/${pageName(place.slice('examples/'.length))}.md`;
    if (GUIDES.some(({ file }) => file === place)) return undefined; // not written yet
    if (UNLINKED.some((pattern) => pattern.test(place))) return undefined;
    throw new Trouble(
      `${file} links to ${target}, which the site does not have`,
      'list it in scripts/site/contents.mjs, or its kind in scripts/site/stage.mjs',
    );
  });
}

/**
 * The tarball has no examples, so documents name their files without a link. The site has them, and links to them.
 *
 * @param {string} text
 */
function named(text) {
  return changeProse(text, (prose) =>
    prose.replace(/(?<!\[)`((?:examples|docs)\/[\w./-]+)`(?!\])/g, (all, path) => {
      const guide = existingGuides().find(({ file }) => file === path);
      const page = guide?.page ?? (existingExample(path) ? path.replace(/\.ts$/, '') : undefined);
      return page === undefined ? all : `[\`${path}\`](/${page}.md)`;
    }),
  );
}

/** @param {string} path */
function existingExample(path) {
  return exampleFiles().some((name) => `examples/${name}` === path && name.endsWith('.ts'));
}

/** The home page: what docs/site/index.md says, with the README's first program. */
function homePage() {
  const [first = ''] = /^```js\n.*?^```$/ms.exec(read('README.md')) ?? [];
  return linked(
    'docs/site/index.md',
    read('docs/site/index.md').replace('<!-- first program -->', () => first),
  );
}

function exampleFiles() {
  return readdirSync(join(ROOT, 'examples'), { recursive: true, encoding: 'utf8' })
    .filter((name) => extname(name) in LANGUAGES)
    .sort();
}

/** `vpn.ts` is the page `vpn`; a web page keeps its ending in the name. @param {string} name */
function pageName(name) {
  return name.replace(/\.ts$/, '').replaceAll('.', '-');
}

/** By the ending of a file. @type {Record<string, string>} */
const LANGUAGES = { '.ts': 'ts', '.mjs': 'js', '.html': 'html' };

/** @param {string} name */
export function examplePage(name) {
  const language = LANGUAGES[extname(name)];
  return `# ${name}\n\n[All examples](/examples/index.md)\n\n\`\`\`\`${language}\n${read(`examples/${name}`)}\`\`\`\`\n`;
}

/** @param {string} page @param {string} text */
function write(page, text) {
  const path = join(PAGES, `${page}.md`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** @param {string} file */
function read(file) {
  return readFileSync(join(ROOT, file), 'utf8');
}
