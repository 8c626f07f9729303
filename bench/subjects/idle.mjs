/**
 * Opens devices that then have nothing to do:
 *
 *     node --expose-gc idle.mjs
 *
 * They stay when it ends, and go with their namespace: the kernel takes a thousand away together much faster than one by
 * one.
 */
import { openTap } from 'tapfd';
import { answer, cpuNs, serve, wallNs } from './commands.mjs';

/** Devices that are opened at a time. */
const AT_ONCE = 16;
/** Devices that come and go first: the code that they share is compiled then, and the heap has its size. */
const WARM_UP = 64;
/** Looks at the memory in a row that must not find it smaller, 200 ms apart. */
const CALM_ROUNDS = 10;
const PAGE_BYTES = 4096;
const devices = [];
const settle = () => new Promise((resolve) => setTimeout(resolve, 200));

/** Resident memory when it does not fall any more: V8 takes its time to give back what it does not need. */
async function residentBytes() {
  let least = Number.POSITIVE_INFINITY;
  for (let calm = 0; calm < CALM_ROUNDS; ) {
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
  /** Has this many devices open, reading. */
  async open(count) {
    const start = wallNs();
    await openUpTo(count);
    const openNs = wallNs() - start;
    return { devices: devices.length, openNs, residentBytes: await residentBytes() };
  },
  async rest(ms) {
    const [cpuBefore, wallBefore] = [cpuNs(), wallNs()];
    await new Promise((resolve) => setTimeout(resolve, ms));
    return { cpuNs: cpuNs() - cpuBefore, wallNs: wallNs() - wallBefore };
  },
});
