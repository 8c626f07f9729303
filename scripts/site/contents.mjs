/** The guides of the site, in the order of its sidebar. A document that is not listed here fails test/package/site.test.ts. */

/**
 * @typedef {object} Guide
 * @property {string} file from the root of the repository
 * @property {string} page its address in the site, without `.html`
 * @property {string} [title] in the sidebar; default: its heading
 *
 * @typedef {{title: string, guides: readonly Guide[]}} Group
 */

/** @param {string} name @param {string} [title] @returns {Guide} */
function doc(name, title) {
  return { file: `docs/${name}.md`, page: name, ...(title === undefined ? {} : { title }) };
}

/**
 * Ordered by task. A file that does not exist yet has its place here, and appears when it does.
 *
 * @type {readonly Group[]}
 */
export const CONTENTS = [
  {
    title: 'First frame',
    guides: [
      { file: 'README.md', page: 'start', title: 'Getting started' },
      doc('streams'),
      doc('packets'),
      doc('command'),
      { file: 'examples/README.md', page: 'examples/index', title: 'Examples' },
    ],
  },
  {
    title: 'Guests',
    guides: [
      doc('guests', 'Virtual machines'),
      doc('macvtap', 'macvtap'),
      doc('clients', 'Other programs'),
      doc('lifetimes'),
    ],
  },
  { title: 'Tests', guides: [doc('testing'), doc('capture')] },
  { title: 'VPN', guides: [doc('vpn')] },
  {
    title: 'Several hosts',
    guides: [
      doc('hosts', 'Guests on several hosts'),
      doc('kubernetes'),
      doc('links', 'Links and namespaces'),
      doc('descriptors'),
    ],
  },
  { title: 'Troubleshooting', guides: [doc('errors', 'Errors by code'), doc('diagnosis')] },
  {
    title: 'Performance',
    guides: [
      doc('performance', 'Measured against C'),
      { file: 'docs/bench/results.md', page: 'bench/results', title: 'Every figure' },
      doc('paper', 'TAP against macvtap'),
    ],
  },
  {
    title: 'Security',
    guides: [doc('security'), { file: 'SECURITY.md', page: 'reporting', title: 'Reporting a vulnerability' }],
  },
  { title: 'Shipping it', guides: [doc('bundlers', 'Bundlers'), doc('runtimes')] },
  {
    title: 'The project',
    guides: [
      doc('kernel', 'What the kernel does'),
      doc('development'),
      doc('release'),
      { file: 'CONTRIBUTING.md', page: 'contributing', title: 'Contributing' },
      { file: 'CHANGELOG.md', page: 'changes', title: 'Changes' },
    ],
  },
];

/** Every listed guide, whether its file exists or not. */
export const GUIDES = CONTENTS.flatMap(({ guides }) => guides);
