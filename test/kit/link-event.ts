/** The next `'link'` event that tells of one fact. */
import type { FrameStream, LinkChange } from 'tapfd';

export function linkEvent(device: FrameStream, fact: LinkChange['changed'][number]): Promise<LinkChange> {
  return new Promise((resolve) => {
    const hear = (change: LinkChange) => {
      if (!change.changed.includes(fact)) return;
      device.off('link', hear);
      resolve(change);
    };
    device.on('link', hear);
  });
}
