/** The reference: typedoc's Markdown, with each example right below what it shows, and its place in the sidebar. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../prepare.mjs';
import { step } from '../run-command.mjs';
import { PAGES, REFERENCE } from './stage.mjs';

/** The folders of an entry, in the order of the sidebar. */
const KINDS = [
  ['functions', 'Functions'],
  ['namespaces', 'Namespaces'],
  ['classes', 'Classes'],
  ['interfaces', 'Options and other interfaces'],
  ['type-aliases', 'Types'],
  ['variables', 'Constants'],
];

/** Has typedoc write the reference anew. */
export async function buildReference() {
  rmSync(REFERENCE, { recursive: true, force: true });
  const typedoc = join(ROOT, 'node_modules/typedoc/bin/typedoc');
  await step('the API reference', process.execPath, [typedoc, '--options', 'docs/site/typedoc.json'], {
    cwd: ROOT,
  });
  for (const path of referencePages()) {
    const file = join(PAGES, path);
    writeFileSync(file, withExampleFirst(withoutOrigins(readFileSync(file, 'utf8'))));
  }
}

/**
 * Where a member comes from: of no use to a reader, below each of the many that a device has of its base.
 *
 * @param {string} text
 */
export function withoutOrigins(text) {
  return text.replace(
    /^#{3,6} (?:Inherited from|Overrides|Implementation of)\n(.*?)(?=^#{1,6} |^\*\*\*$|(?![\s\S]))/gms,
    '',
  );
}

/** @returns {string[]} their paths below pages/ */
function referencePages() {
  return readdirSync(REFERENCE, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('reference', name));
}

/**
 * typedoc puts examples behind parameters, results and errors; they come first here. Members of a class have theirs one
 * level below.
 *
 * @param {string} text
 */
export function withExampleFirst(text) {
  const sections = text.split(/^(?=#{2,6} )/m);
  const level = (/** @type {string} */ section) => /^#+/.exec(section)?.[0].length ?? 1;
  for (let i = 0; i < sections.length; i += 1) {
    const section = sections[i] ?? '';
    if (!/^#+ Examples?\n/.test(section)) continue;
    let to = i;
    while (to > 0 && level(sections[to - 1] ?? '') >= level(section)) to -= 1;
    sections.splice(i, 1);
    sections.splice(to, 0, section.endsWith('\n\n') ? section : `${section.trimEnd()}\n\n`);
  }
  return sections.join('');
}

/** What the sidebar shows beside the reference. */
export function referenceSidebar() {
  const pages = referencePages();
  const entries = readFileSync(join(REFERENCE, 'index.md'), 'utf8').matchAll(
    /\[([^\]]+)\]\(([^)]+)\/index\.md\)/g,
  );
  return [...entries].map(([, name = '', folder = '']) => ({
    text: name,
    link: `/reference/${folder}/`,
    collapsed: name !== 'tapfd',
    items: KINDS.flatMap(([kind, title]) => {
      const items = pages
        .map((path) => new RegExp(`^reference/${folder}/${kind}/(\\w+)(/index)?\\.md$`).exec(path))
        .flatMap((found) =>
          found === null ? [] : [{ text: found[1], link: `/${found[0].replace(/(index)?\.md$/, '')}` }],
        )
        .sort((a, b) => String(a.text).localeCompare(String(b.text)));
      return items.length === 0 ? [] : [{ text: title, collapsed: kind !== 'functions', items }];
    }),
  }));
}
