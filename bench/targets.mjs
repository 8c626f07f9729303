/** The targets: ratios to the C floor of the same run, unless the unit says otherwise. */

/**
 * @typedef {{scenario: string, subject?: string, variant?: string, small?: boolean, devices?: number}} WantedRow `small`: less
 * than 1500 bytes
 * @typedef {{work: string, row: WantedRow, atMost?: number, atLeast?: number}} Target
 */

/** @type {Target[]} */
export const TARGETS = [
  ...drain('batches', 1.3, 1.3),
  ...drain('data', 1.9, 2.0),
  ...drain('for-await', 2.4, 2.4),
  flood('batches', 1.2),
  flood('data', 1.45),
  send('batches', 1.12),
  send('write', 1.35),
  forward('plain', 'batches', 0.85),
  forward('plain', 'pipe', 0.75),
  forward('super-frames', 'batches', 0.95),
  forward('super-frames', 'pipe', 0.8),
  forward('super-frames', 'segment', 0.65),
  {
    work: 'flood ping, average',
    row: { scenario: 'round-trip', variant: 'average', subject: 'batches' },
    atMost: 1.4,
  },
  {
    work: 'flood ping, average',
    row: { scenario: 'round-trip', variant: 'average', subject: 'pipe' },
    atMost: 2,
  },
  ...['data', 'batches', 'for-await'].flatMap((subject) => [
    {
      work: 'longest turn under a flood, CPU',
      row: { scenario: 'turn', variant: 'CPU', subject },
      atMost: 5,
    },
    {
      work: 'longest turn under a flood, clock',
      row: { scenario: 'turn', variant: 'clock', subject },
      atMost: 5,
    },
  ]),
  {
    work: 'memory of an idle device',
    row: { scenario: 'idle', variant: 'memory', devices: 1000 },
    atMost: 16,
  },
  { work: 'CPU of idle devices', row: { scenario: 'idle', variant: 'cpu', devices: 1000 }, atMost: 0.1 },
  {
    work: 'start to first frame, above node -e 0',
    row: { scenario: 'start-up', variant: 'above' },
    atMost: 60,
  },
];

/** @param {string} subject @param {number} small @param {number} large @returns {Target[]} */
function drain(subject, small, large) {
  return [
    {
      work: 'receive, drain, up to 512 B',
      row: { scenario: 'receive-drain', subject, small: true },
      atMost: small,
    },
    {
      work: 'receive, drain, 1500 B',
      row: { scenario: 'receive-drain', subject, small: false },
      atMost: large,
    },
  ];
}

/** @param {string} subject @param {number} atMost @returns {Target} */
function flood(subject, atMost) {
  return { work: 'receive, flood', row: { scenario: 'receive-flood', subject }, atMost };
}

/** @param {string} subject @param {number} atMost @returns {Target} */
function send(subject, atMost) {
  return { work: 'send', row: { scenario: 'send', subject }, atMost };
}

/** @param {string} variant @param {string} subject @param {number} atLeast @returns {Target} */
function forward(variant, subject, atLeast) {
  return { work: `forward, ${variant}, Gbit/s`, row: { scenario: 'forward', variant, subject }, atLeast };
}

/**
 * The target for a row of results, if there is one.
 *
 * @param {{scenario: string, subject: string, variant?: string, size?: number, devices?: number}} row
 */
export function targetOf(row) {
  return TARGETS.find(({ row: wanted }) => {
    if (wanted.scenario !== row.scenario) return false;
    if (wanted.subject !== undefined && wanted.subject !== row.subject) return false;
    if (wanted.variant !== row.variant) return false;
    if (wanted.devices !== undefined && wanted.devices !== row.devices) return false;
    return wanted.small === undefined || wanted.small === (row.size ?? 0) < 1500;
  });
}

/**
 * Whether a figure reaches its target.
 *
 * @param {Target} target
 * @param {number} figure
 */
export function reaches(target, figure) {
  const { atMost = Number.POSITIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY } = target;
  return figure <= atMost && figure >= atLeast;
}
