/**
 * Opens devices that then have nothing to do:
 *
 *     node --expose-gc idle.mjs
 *
 * They stay when it ends, and are deleted with their namespace: the kernel deletes a thousand together much faster than
 * one by one.
 */
import { openTap } from 'tapfd';
import { answer, cpuNs, serve, wallNs } from './commands.mjs';

/** Devices opened at a time. */
const AT_ONCE = 16;
/** Devices opened and closed first, so that shared code is compiled and the heap has grown. */
const WARM_UP = 64;
const PAGE_BYTES = 4096;
const devices = [];
const settle = () => new Promise((resolve) => setTimeout(resolve, 200));

/**
 * Resident memory once it has stopped falling, as V8 releases memory late: this many measurements in a row, 200 ms apart,
 * found it no smaller.
 */
async function residentBytes(calmRounds) {
  let least = Number.POSITIVE_INFINITY;
  for (let calm = 0; calm < calmRounds; ) {
    globalThis.gc();
    await settle();
    const now = process.memoryUsage.rss();
    calm = now < least - PAGE_BYTES ? 0 : calm + 1;
    least = Math.min(least, now);
  }
  return least;
}

async function openUpTo(count) {
  while (devices.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - devices.length) }, () =>
      openTap({ persist: true }),
    );
    for (const device of await Promise.all(some)) devices.push(device.on('data', () => {}));
  }
}

await openUpTo(WARM_UP);
await Promise.all(devices.splice(0).map((device) => device[Symbol.asyncDispose]()));
answer({ ready: true });
serve({
  /** Opens devices until there are this many, all reading. */
  async open(count, calmRounds) {
    const start = wallNs();
    await openUpTo(count);
    const openNs = wallNs() - start;
    return { devices: devices.length, openNs, residentBytes: await residentBytes(calmRounds) };
  },
  async rest(ms) {
    const [cpuBefore, wallBefore] = [cpuNs(), wallNs()];
    await new Promise((resolve) => setTimeout(resolve, ms));
    return { cpuNs: cpuNs() - cpuBefore, wallNs: wallNs() - wallBefore };
  },
});
