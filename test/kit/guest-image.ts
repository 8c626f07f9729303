import { findGuestImage } from '#scripts/guest/image.mjs';
import type { GuestImage } from '../../examples/guest.ts';

/** The image of a test that asked `needs('guest')`. */
export function guestImage(): GuestImage {
  const image = findGuestImage();
  if (image === undefined) throw new Error('no guest image: run node scripts/guest/image.mjs');
  return image;
}
