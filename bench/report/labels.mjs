/** How tables and plots name the subjects. */

/** @type {Readonly<Record<string, string>>} */
const LABELS = {
  floor: 'C',
  'floor-2-threads': 'C, a thread each way',
  batches: 'tapfd batches',
  'batches-looked-at': 'tapfd batches, looking at frames',
  'array-of-buffers': 'tapfd writeBatch of Buffers',
  data: "tapfd Duplex 'data'",
  'for-await': 'tapfd for await',
  write: 'tapfd Duplex write',
  pipe: 'tapfd Duplex pipe',
  segment: 'tapfd batches, segment: true',
  'fs-stream': 'fs stream',
  'fs-read': 'fs.read',
  'fs-write': 'fs.write',
  'fs-write-sync': 'fs.writeSync',
  'fs-callbacks': 'fs.read, fs.write',
  'appium-ios-tuntap': 'appium-ios-tuntap',
  'node-tuntap2-wintun': 'node-tuntap2-wintun',
};

/** @param {string} subject */
export function label(subject) {
  return LABELS[subject] ?? subject;
}

/** @param {string} subject */
export function isTapfd(subject) {
  return label(subject).startsWith('tapfd');
}
