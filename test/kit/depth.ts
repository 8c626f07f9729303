/**
 * How much a test does that is long by nature (soak, fuzzing). The files of test/deep run such tests again:
 *
 * - `brief`: `npm test`.
 * - `bounded`: `npm run test:deep -- --bounded`, as CI does.
 * - `deep`: `npm run test:deep`.
 */
export type Depth = 'brief' | 'bounded' | 'deep';

export function depth(amounts: Record<Depth, number>): number {
  const wanted = process.env.TAPFD_TEST_DEPTH;
  return amounts[wanted === 'bounded' || wanted === 'deep' ? wanted : 'brief'];
}
