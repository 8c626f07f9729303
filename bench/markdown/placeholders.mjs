/** The figures of a run in a document, between comments that name them. */
import { Trouble } from '../../scripts/run-command.mjs';

/**
 * Replaces what is between `<!-- run: NAME -->` and `<!-- end of run -->`, for each name.
 *
 * @param {string} document
 * @param {Readonly<Record<string, string>>} parts by name
 */
export function withParts(document, parts) {
  return Object.entries(parts).reduce((text, [name, part]) => {
    const place = new RegExp(`(<!-- run: ${name} -->\n\n)[^]*?(\n?<!-- end of run -->)`);
    if (!place.test(text)) throw new Trouble(`the document has no place for "${name}"`);
    return text.replace(place, (_all, start) => `${start}${part}\n<!-- end of run -->`);
  }, document);
}
