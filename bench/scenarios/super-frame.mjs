/** Bytes of the super-frame that the producer makes (bench/floor/device.h SUPER_BYTES). */
export const SUPER_FRAME = 14 + 20 + 20 + 44 * 1460;
