/** What the tests look for in the documents: code, headings, links, rows of tables. */
import { readdirSync, readFileSync } from 'node:fs';
import { inRepo } from './paths.js';

export interface Document {
  /** Relative to the repository: `docs/links.md`. */
  path: string;
  text: string;
}

export interface CodeBlock {
  language: string;
  code: string;
  /** Where it is, for messages. */
  place: string;
}

/** All documents except the licence. */
export function documents(): Document[] {
  const guides = readdirSync(inRepo('docs')).filter((name) => name.endsWith('.md'));
  const tops = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'examples/README.md'];
  const paths = [...tops, ...guides.map((name) => `docs/${name}`)];
  return paths.map(readDocument);
}

export function readDocument(path: string): Document {
  return { path, text: readFileSync(inRepo(path), 'utf8') };
}

export function codeBlocks({ path, text }: Document): CodeBlock[] {
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(({ 1: language, 2: code, index }) => ({
    language,
    code,
    place: `${path}:${text.slice(0, index).split('\n').length}`,
  }));
}

/** The anchors of a document's headings, as GitHub and typedoc make them. */
export function anchors({ text }: Document): string[] {
  return [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** The targets of its links. */
export function linkTargets({ text }: Document): string[] {
  return [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
}

/** The cells of all rows of its tables, without headings and rules. */
export function tableRows({ text }: Document): string[][] {
  const lines = withoutCode(text).split('\n');
  const isRow = (line: string) => line.trimStart().startsWith('|');
  const isRule = (line: string) => /^\s*\|[-|\s]+\|$/.test(line);
  return lines
    .filter((line, i) => isRow(line) && !isRule(line) && !(i + 1 < lines.length && isRule(lines[i + 1])))
    .map((line) =>
      line
        .trim()
        .slice(1, -1)
        .split(' | ')
        .map((cell) => cell.trim()),
    );
}

function withoutCode(text: string): string {
  return text.replace(/^```.*?^```$/gms, '');
}
