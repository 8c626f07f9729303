/** How much is measured. In seconds, unless it says otherwise; iperf3 takes whole ones only. */

/** @typedef {typeof FULL} Size */

export const FULL = {
  name: 'full',
  /** For the paper's table and for the other patterns. Each round measures every case on every interface once. */
  tableRounds: 6,
  patternRounds: 6,
  iperf: 8,
  /** The order of the matrix. */
  linpackN: 1500,
  gromacsSteps: 80,
  icoFoamSteps: 16,
  simpleFoamSteps: 20,
  stream: 2,
  frames: 2,
  requests: 2,
  frameSizes: [64, 128, 256, 512, 1024, 1500],
  manyFlows: [4, 16],
};

export const QUICK = {
  ...FULL,
  name: 'quick',
  tableRounds: 2,
  patternRounds: 2,
  iperf: 5,
  linpackN: 1000,
  gromacsSteps: 50,
  icoFoamSteps: 10,
  simpleFoamSteps: 10,
  stream: 1,
  frames: 1,
  requests: 1,
  frameSizes: [64, 512, 1500],
  manyFlows: [16],
};

/** Shows that everything runs. The figures mean nothing, except that iperf must fill the wire. */
export const SMOKE = {
  ...QUICK,
  name: 'smoke',
  tableRounds: 1,
  patternRounds: 1,
  iperf: 3,
  linpackN: 200,
  gromacsSteps: 2,
  icoFoamSteps: 1,
  simpleFoamSteps: 1,
  stream: 1,
  frames: 1,
  requests: 0.3,
  frameSizes: [64, 1500],
  manyFlows: [2],
};
