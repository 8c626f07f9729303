/** How much is measured. */

/** @typedef {typeof FULL} Effort */

export const FULL = {
  repeats: 7,
  sizes: [64, 512, 1500],
  drainRounds: 30,
  floodMs: 150,
  sendFrames: 100_000,
  /** The share of frames that slow ways get. */
  slowShare: 0.1,
  /** How much is sent, as arguments of iperf3. */
  tcp: ['-t', '1'],
  roundTrips: 4000,
  turnMs: 500,
  idleDevices: [1, 10, 100, 1000],
  idleMs: 2000,
  /** Measurements in a row that must find the memory no smaller, 200 ms apart. */
  calmRounds: 10,
  starts: 41,
  others: true,
};

export const QUICK = {
  ...FULL,
  repeats: 3,
  sizes: [64, 1500],
  drainRounds: 20,
  floodMs: 80,
  sendFrames: 30_000,
  roundTrips: 1000,
  turnMs: 200,
  idleDevices: [1, 100],
  idleMs: 500,
  starts: 11,
};

/** Shows that everything runs; the figures mean nothing. */
export const SMOKE = {
  ...QUICK,
  repeats: 1,
  sizes: [64],
  drainRounds: 1,
  floodMs: 5,
  sendFrames: 256,
  tcp: ['-n', '1M'],
  roundTrips: 10,
  turnMs: 5,
  idleDevices: [1, 3],
  idleMs: 5,
  calmRounds: 1,
  starts: 1,
  others: false,
};
