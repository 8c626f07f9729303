/** Runs things in parallel: as many of each lane at once as the lane has places. */

/**
 * @template Item
 * @param {readonly Item[]} items in the order in which they start, within a lane
 * @param {(item: Item) => string} laneOf
 * @param {Readonly<Record<string, number>>} places
 * @param {(item: Item) => Promise<void>} run
 */
export async function inLanes(items, laneOf, places, run) {
  const lanes = Object.entries(places).flatMap(([lane, count]) => {
    const waiting = items.filter((item) => laneOf(item) === lane);
    return Array.from({ length: count }, async () => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await run(item);
    });
  });
  await Promise.all(lanes);
}
