/**
 * How much a test does that is long by nature. `npm test` runs it for a short while, `npm run test:deep` at full length:
 * the files of test/deep run what stands elsewhere with TAPFD_TEST_DEPTH=deep.
 */
export function depth(amounts: { bounded: number; deep: number }): number {
  return process.env.TAPFD_TEST_DEPTH === 'deep' ? amounts.deep : amounts.bounded;
}
