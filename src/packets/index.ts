/**
 * src/packets/: the entry tapfd/packets: headers of frames, read and written. On top of base.
 *
 * @module tapfd/packets
 */
export {};
