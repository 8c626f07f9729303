/** The site's settings. What its pages hold is made by scripts/site/. */
import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';
import { anchorOf } from '../../../scripts/site/markdown.mjs';
import { referenceSidebar } from '../../../scripts/site/reference.mjs';
import { exampleSidebar, sidebar } from '../../../scripts/site/stage.mjs';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
const guides = sidebar();

export default defineConfig({
  title: 'tapfd',
  description: 'Linux TUN, TAP and macvtap descriptors for Node.js',
  lang: 'en',
  base: process.env.TAPFD_SITE_BASE ?? '/',
  srcDir: 'pages',
  outDir: 'dist',
  metaChunk: true,
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: `${process.env.TAPFD_SITE_BASE ?? '/'}logo.svg` }],
  ],
  markdown: {
    anchor: { slugify: anchorOf },
    theme: { light: 'github-light', dark: 'github-dark' },
    // Languages that the documents do not name are shell commands and their output.
    config(md) {
      md.renderer.rules.code_block = (tokens, i, options, env, self) => {
        tokens[i].info = 'sh';
        return md.renderer.rules.fence(tokens, i, options, env, self);
      };
      const { table_open, table_close } = md.renderer.rules;
      md.renderer.rules.table_open = (...args) =>
        `<div class="wide-table" tabindex="0">${table_open?.(...args) ?? '<table>'}`;
      md.renderer.rules.table_close = (...args) => `${table_close?.(...args) ?? '</table>'}</div>`;
    },
  },
  vite: { build: { reportCompressedSize: false } },
  themeConfig: {
    logo: '/logo.svg',
    nav: [
      { text: 'Guides', link: '/start', activeMatch: '^/(?!reference/|examples/|changes)[a-z]' },
      { text: 'Reference', link: '/reference/tapfd/', activeMatch: '^/reference/' },
      { text: 'Examples', link: '/examples/', activeMatch: '^/examples/' },
      { text: version, link: '/changes', activeMatch: '^/changes' },
    ],
    sidebar: { '/reference/': referenceSidebar(), '/examples/': exampleSidebar(), '/': guides },
    outline: { level: [2, 3] },
    externalLinkIcon: true,
    search: {
      provider: 'local',
      options: {
        detailedView: true,
        // The index needs no colours, which cost most of the time.
        _render(source, env, md) {
          const { highlight } = md.options;
          md.options.highlight = null;
          try {
            return md.render(source, env);
          } finally {
            md.options.highlight = highlight;
          }
        },
        miniSearch: {
          // A code is one word, with its underscores.
          options: { tokenize: (text) => text.split(/[^\p{L}\p{N}_]+/u).filter((word) => word !== '') },
          searchOptions: { fuzzy: 0.1, prefix: true, boost: { title: 8, titles: 2, text: 1 } },
        },
      },
    },
    footer: { message: 'MIT licence' },
  },
});
