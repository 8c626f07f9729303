/** What a case is: types only. */

/**
 * Something to measure, on each of several cards.
 *
 * @typedef {object} Case
 * @property {string} name
 * @property {'table' | 'patterns'} phase
 * @property {string} title
 * @property {string} unit
 * @property {'more' | 'less'} better
 * @property {readonly import('./cards.mjs').Card[]} cards
 * @property {readonly import('./cards.mjs').Station[]} between the traffic must pass the cards of those that are guests
 * @property {boolean} shaped whether the wire is Fast Ethernet
 * @property {boolean} computes whether it needs the guests with a Debian
 * @property {Record<string, unknown>} parameters what distinguishes its figures from those of another size
 * @property {(site: Record<string, any>, card: import('./cards.mjs').Card) => Promise<{value: number}>} measure
 */

export {};
