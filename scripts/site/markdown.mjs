/** What turns a document of the repository into a page of the site. Code in it stays as it is. */

/**
 * Applies a change to everything but fenced code.
 *
 * @param {string} text
 * @param {(prose: string) => string} change
 */
export function changeProse(text, change) {
  return text
    .split(/^(```.*?^```$)/ms)
    .map((part, i) => (i % 2 === 0 ? change(part) : part))
    .join('');
}

/**
 * Gives each link its new target. Where `resolve` has none, only the words of the link stay.
 *
 * @param {string} text
 * @param {(target: string) => string | undefined} resolve
 * @returns {string}
 */
export function withLinks(text, resolve) {
  return changeProse(text, (prose) =>
    prose.replace(/(!?)\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)/g, (_all, bang, words, target) => {
      const inner = bang === '' ? withLinks(words, resolve) : words;
      const resolved = resolve(target);
      if (resolved !== undefined) return `${bang}[${inner}](${resolved})`;
      return inner;
    }),
  );
}

/** The text of the first heading, without its markup. @param {string} text */
export function headingOf(text) {
  return /^# (.+)$/m.exec(text)?.[1]?.replaceAll('`', '') ?? '';
}

/** GitHub's anchor of a heading, which the links in the documents use. @param {string} heading */
export function anchorOf(heading) {
  return heading
    .toLowerCase()
    .trim()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
