/** The bench's scenarios, in the order of a whole run. */
export const SCENARIOS = [
  'receive-drain',
  'receive-flood',
  'send',
  'forward',
  'round-trip',
  'turn',
  'idle',
  'start-up',
];
