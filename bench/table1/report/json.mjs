/** A run as JSON, one line a measurement: easy to read, and to compare with another. @param {import('./results.mjs').Results} results */
export function jsonOf({ measurements, ...results }) {
  const lines = measurements.map((one) => `  ${JSON.stringify(one)}`).join(',\n');
  return `${JSON.stringify(results, null, 1).slice(0, -2)},\n "measurements": [\n${lines}\n ]\n}\n`;
}
