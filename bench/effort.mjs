/** How much is measured. */

/** @typedef {typeof FULL} Effort */

export const FULL = {
  repeats: 7,
  sizes: [64, 512, 1500],
  drainRounds: 30,
  floodMs: 150,
  sendFrames: 100_000,
  /** The slow ways are asked for fewer frames. */
  slowShare: 0.1,
  /** Arguments of iperf3: how much is sent. */
  tcp: ['-t', '1'],
  roundTrips: 4000,
  turnMs: 500,
  idleDevices: [1, 10, 100, 1000],
  idleMs: 2000,
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

/** Shows that everything runs; its figures mean nothing. */
export const SMOKE = {
  ...QUICK,
  repeats: 1,
  sizes: [64],
  drainRounds: 1,
  floodMs: 50,
  sendFrames: 256,
  tcp: ['-n', '1M'],
  roundTrips: 10,
  turnMs: 20,
  idleDevices: [1, 3],
  idleMs: 50,
  starts: 1,
  others: false,
};
