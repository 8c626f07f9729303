/** The documentation site: built with its links checked, and looked at in a browser, as a phone and in the dark. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { FIGURES } from '#scripts/pictures/figures.mjs';
import { findCommand } from '#scripts/run-command.mjs';
import { faultsOf } from '#scripts/site/check.mjs';
import { GUIDES } from '#scripts/site/contents.mjs';
import { withAnchors } from '#scripts/site/errors-page.mjs';
import { withLinks } from '#scripts/site/markdown.mjs';
import { withExampleFirst, withoutOrigins } from '#scripts/site/reference.mjs';
import { documentsToPlace, examplePage } from '#scripts/site/stage.mjs';
import { needs } from '../kit/capabilities.js';
import { readDocument, tableRows } from '../kit/markdown.js';
import { inRepo, ROOT } from '../kit/paths.js';

const DIST = inRepo('docs/site/dist');
/** No such host exists: the test answers for it, and for nothing else. */
const ORIGIN = 'http://site.test';
const PHONE = { width: 390, height: 844 };
/** One of each kind of page. */
const PAGES = [
  '/',
  '/start.html',
  '/streams.html',
  '/errors.html',
  '/performance.html',
  '/reference/tapfd/functions/openTap.html',
  '/reference/tapfd/classes/Tap.html',
  '/examples/',
  '/examples/vpn.html',
];
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

t.setTimeout(600_000);

t.test('every document has a place in the sidebar', async (t) => {
  const listed = GUIDES.map(({ file }) => file);
  for (const file of documentsToPlace())
    t.ok(listed.includes(file), `${file}: list it in scripts/site/contents.mjs`);
  t.equal(new Set(GUIDES.map(({ page }) => page)).size, GUIDES.length);
});

t.test('examples are shown in their language', async (t) => {
  const languageOf = (name: string) => /^````(\w*)$/m.exec(examplePage(name))?.[1];
  t.equal(languageOf('vpn.ts'), 'ts');
  t.equal(languageOf('websocket-relay.html'), 'html');
  const plain = readdirSync(inRepo('examples'), { recursive: true, encoding: 'utf8' });
  for (const name of plain.filter((name) => name.endsWith('.mjs'))) t.equal(languageOf(name), 'js', name);
});

t.test('the figures are those that scripts/pictures draws', async (t) => {
  for (const [name, draw] of Object.entries(FIGURES)) {
    const svg = readFileSync(inRepo(`docs/pictures/${name}.svg`), 'utf8');
    t.equal(svg, draw(), `npm run pictures draws ${name}`);
    for (const part of [/<title id="title">\S/, /<desc id="description">\S/, /prefers-color-scheme: dark/])
      t.match(svg, part);
  }
});

t.test('links are given their new targets, code is left alone', async (t) => {
  const text = '[a](x.md) ![p [q] r](y.svg) [`c`](gone)\n```ts\n[a](x.md)\n```\n';
  const targets: Record<string, string> = { 'x.md': '/x', 'y.svg': '/y' };
  t.equal(
    withLinks(text, (target) => targets[target]),
    '[a](/x) ![p [q] r](/y) `c`\n```ts\n[a](x.md)\n```\n',
  );
});

t.test('each code becomes a section with its own anchor', async (t) => {
  const text =
    '## Codes\n\n| Code | Cause | Remedy |\n|---|---|---|\n| `A_B`, `C D` | it broke. | mend it |\n| `E` | x | - |\n\nmore\n';
  const page = withAnchors(text);
  t.match(page, '### `A_B`, `C D` {#A_B}\n\n<a id="C-D"></a>It broke.\n\n**Remedy:** mend it.\n');
  t.match(page, '### `E` {#E}\n\nX.\n');
  t.notMatch(page, '| Code |');
  t.match(page, /\n\nmore\n$/);
});

t.test('an example stands before parameters and errors', async (t) => {
  const page = '# f()\n\nText.\n\n## Parameters\n\np\n\n## Example\n\ne\n\n## Throws\n\nt\n';
  t.equal(
    withExampleFirst(page),
    '# f()\n\nText.\n\n## Example\n\ne\n\n## Parameters\n\np\n\n## Throws\n\nt\n',
  );
  const member =
    '# C\n\n## Methods\n\n### a()\n\n#### Parameters\n\np\n\n#### Example\n\ne\n\n### b()\n\nb\n';
  const inherited =
    '### a()\n\nA.\n\n#### Inherited from\n\n`B`.`a`\n\n***\n\n### b()\n\n#### Overrides\n\n`B`\n';
  t.equal(withoutOrigins(inherited), '### a()\n\nA.\n\n***\n\n### b()\n\n');
  t.match(withExampleFirst(member), '### a()\n\n#### Example\n\ne\n\n#### Parameters');
});

t.test('broken links and foreign files are found', async (t) => {
  const directory = t.testdir({
    'index.html':
      '<a href="/base/a.html#here">1</a><a href="a.html#gone">2</a><a href="gone.html">3</a><a href="/a.html">4</a>' +
      '<a href="https://else.where/">5</a><script src="https://else.where/x.js"></script><img src="/base/no.svg">',
    'a.html': '<h2 id="here">a</h2><link rel="stylesheet" href="/base/a.css">',
    'a.css': '@font-face { src: url(https://else.where/font.woff2) }',
  });
  t.same(faultsOf(directory, '/base/').sort(), [
    'a.css loads https://else.where/font.woff2',
    'index.html lacks /base/no.svg',
    'index.html loads https://else.where/x.js',
    'index.html: no anchor for a.html#gone',
    'index.html: no page for /a.html',
    'index.html: no page for gone.html',
  ]);
});

/** Opens a page of the built site. Whatever it complains of, or wants from elsewhere, is collected. */
async function visit(
  t: Test,
  browser: Browser,
  options: Parameters<Browser['newContext']>[0],
): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext(options);
  t.teardown(() => context.close());
  const page = await context.newPage();
  // A browser on a busy machine takes its time.
  page.setDefaultTimeout(200_000);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  await page.route('**/*', async (route) => {
    const url = new URL(route.request().url());
    const path = join(DIST, decodeURIComponent(url.pathname), url.pathname.endsWith('/') ? 'index.html' : '');
    if (url.origin === ORIGIN && existsSync(path)) {
      await route.fulfill({ body: readFileSync(path), contentType: TYPES[extname(path)] ?? 'text/plain' });
      return;
    }
    complaints.push(`no ${url}`);
    await route.abort();
  });
  return { page, complaints };
}

t.test('the site', { skip: needs('site-tools', 'chromium') }, async (t) => {
  await t.test('is built, and every link leads somewhere', async () => {
    await promisify(execFile)(process.execPath, [inRepo('scripts/site/main.mjs')], {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: undefined, NODE_V8_COVERAGE: undefined },
    });
  });

  await t.test('each error code has an anchor to link to', async (t) => {
    const html = readFileSync(join(DIST, 'errors.html'), 'utf8');
    const codes = tableRows(readDocument('docs/errors.md')).flatMap(([cell]) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code.replaceAll(' ', '-')),
    );
    t.ok(codes.length > 90);
    for (const code of codes) t.ok(html.includes(`id="${code}"`), code);
  });

  await t.test('the index of the search is part of it, and holds guides and reference', async (t) => {
    const chunks = readdirSync(join(DIST, 'assets/chunks')).filter((name) =>
      name.includes('localSearchIndex'),
    );
    t.equal(chunks.length, 1);
    const index = readFileSync(join(DIST, 'assets/chunks', chunks[0] ?? ''), 'utf8').toLowerCase();
    for (const word of ['opentap', 'backpressure', 'err_tapfd_mac_mismatch', 'followguestmac', 'passthru'])
      t.ok(index.includes(word), word);
  });

  const browser = await chromium.launch({
    executablePath: findCommand('chromium'),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-sync',
    ],
    timeout: 120_000,
  });
  t.teardown(() => browser.close());

  await t.test('on a phone, no page complains or scrolls sideways', async (t) => {
    const { page, complaints } = await visit(t, browser, { viewport: PHONE, colorScheme: 'light' });
    for (const path of PAGES) {
      await page.goto(`${ORIGIN}${path}`, { waitUntil: 'networkidle' });
      t.equal(await page.evaluate<number>('document.documentElement.scrollWidth'), PHONE.width, path);
      t.ok(await page.locator('h1').first().isVisible(), path);
    }
    t.same(complaints, []);
  });

  await t.test('it is dark where the system is, and when asked to be', async (t) => {
    const { page, complaints } = await visit(t, browser, { colorScheme: 'dark' });
    const looks = () =>
      page.evaluate<{ background: string; figure: string }>(`({
        background: getComputedStyle(document.body).backgroundColor,
        figure: getComputedStyle(document.querySelector('.vp-doc img')).colorScheme,
      })`);
    await page.goto(`${ORIGIN}/macvtap.html`, { waitUntil: 'networkidle' });
    t.same(await looks(), { background: 'rgb(27, 27, 31)', figure: 'dark' });
    await page.locator('.VPNavBarAppearance .VPSwitchAppearance').click();
    await page.waitForFunction('!document.documentElement.classList.contains("dark")');
    t.same(await looks(), { background: 'rgb(255, 255, 255)', figure: 'light' });
    t.same(complaints, []);
  });

  await t.test('the search finds a code and a call, and leads there', async (t) => {
    const { page, complaints } = await visit(t, browser, { viewport: { width: 1280, height: 900 } });
    for (const [words, target] of [
      ['ERR_TAPFD_MAC_MISMATCH', '/errors.html#ERR_TAPFD_MAC_MISMATCH'],
      ['openMacvtap', '/reference/tapfd/functions/openMacvtap.html'],
    ] as const) {
      await page.goto(`${ORIGIN}/`, { waitUntil: 'networkidle' });
      await page.locator('.VPNavBarSearch button').click();
      await page.locator('#localsearch-input').fill(words);
      const found = page.locator(`.VPLocalSearchBox .results a[href^="${target}"]`).first();
      await found.waitFor();
      await found.click();
      await page.waitForURL(`${ORIGIN}${target}*`);
    }
    t.same(complaints, []);
  });
});
