/**
 * src/capture/: the entry tapfd/capture: frames in pcapng files. On top of devices.
 *
 * @module tapfd/capture
 */
export {};
