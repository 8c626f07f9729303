/** What must hold of the built site: every link and anchor leads somewhere, and nothing is fetched from elsewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** What a page loads by itself, as opposed to what a reader may follow. */
const LOADED =
  /<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\s(?:src|srcset|data)="([^"]+)"/g;
const LOADED_LINK = /<link\b[^>]*?\shref="([^"]+)"/g;
const LOADED_BY_STYLE = /url\(["']?([^"')]+)/g;

/**
 * @param {string} directory the built site
 * @param {string} base the path it is served below, with a slash at both ends
 * @returns {string[]} what is wrong
 */
export function faultsOf(directory, base = '/') {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const pages = new Map(
    files
      .filter((name) => name.endsWith('.html'))
      .map((name) => [name, readFileSync(join(directory, name), 'utf8')]),
  );
  const anchors = new Map([...pages].map(([name, html]) => [name, anchorsOf(html)]));
  const faults = [...pages].flatMap(([name, html]) => faultsOfPage(name, html, { directory, base, anchors }));
  for (const name of files.filter((name) => name.endsWith('.css'))) {
    for (const [, url = ''] of readFileSync(join(directory, name), 'utf8').matchAll(LOADED_BY_STYLE)) {
      if (isElsewhere(url)) faults.push(`${name} loads ${url}`);
    }
  }
  return [...new Set(faults)];
}

/**
 * @param {string} name
 * @param {string} html
 * @param {{directory: string, base: string, anchors: Map<string, Set<string>>}} site
 */
function faultsOfPage(name, html, { directory, base, anchors }) {
  const text = html.replace(/<!--.*?-->/gs, '');
  /** @type {string[]} */
  const faults = [];
  for (const [, url = ''] of [...text.matchAll(LOADED), ...text.matchAll(LOADED_LINK)]) {
    if (isElsewhere(url)) faults.push(`${name} loads ${url}`);
    else if (!existsSync(join(directory, pathOf(url, name, base)))) faults.push(`${name} lacks ${url}`);
  }
  for (const [, href = ''] of text.matchAll(/<a\b[^>]*?\shref="([^"]*)"/g)) {
    if (isElsewhere(href) || href.startsWith('mailto:')) continue;
    const [path = '', anchor] = href.replaceAll('&amp;', '&').split('#');
    const target = pageOf(path === '' ? name : pathOf(path, name, base));
    if (!existsSync(join(directory, target))) faults.push(`${name}: no page for ${href}`);
    else if (anchor && !anchors.get(target)?.has(decodeURIComponent(anchor)))
      faults.push(`${name}: no anchor for ${href}`);
  }
  return faults;
}

/** @param {string} html */
function anchorsOf(html) {
  return new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(([, id = '']) => id));
}

/** @param {string} url */
function isElsewhere(url) {
  return /^(https?:)?\/\//.test(url);
}

/** The file of a link, from the directory of the site. @param {string} url @param {string} from @param {string} base */
function pathOf(url, from, base) {
  if (url.startsWith(base)) return normalize(`./${url.slice(base.length)}`);
  return url.startsWith('/') ? normalize(`../outside${url}`) : normalize(join(dirname(from), url));
}

/** @param {string} path */
function pageOf(path) {
  if (path === '.' || path.endsWith('/')) return normalize(`${path}/index.html`);
  return path.endsWith('.html') ? path : `${path}.html`;
}
