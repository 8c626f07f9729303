/**
 * Opens devices that then have nothing to do:
 *
 *     node --expose-gc idle.mjs
 */
import { openTap } from 'tapfd';
import { answer, cpuNs, serve, wallNs } from './commands.mjs';

/** Devices that are opened at a time. */
const AT_ONCE = 16;
const devices = [];
const settle = () => new Promise((resolve) => setTimeout(resolve, 200));

/** Resident memory after everything that can be freed has been. */
async function residentBytes() {
  for (let i = 0; i < 4; i += 1) {
    globalThis.gc();
    await settle();
  }
  return process.memoryUsage.rss();
}

answer({ ready: true });
serve({
  /** Has this many devices open, reading. */
  async open(count) {
    const start = wallNs();
    while (devices.length < count) {
      const some = Array.from({ length: Math.min(AT_ONCE, count - devices.length) }, () => openTap());
      for (const device of await Promise.all(some)) devices.push(device.on('data', () => {}));
    }
    const openNs = wallNs() - start;
    return { devices: devices.length, openNs, residentBytes: await residentBytes() };
  },
  async rest(ms) {
    const [cpuBefore, wallBefore] = [cpuNs(), wallNs()];
    await new Promise((resolve) => setTimeout(resolve, ms));
    return { cpuNs: cpuNs() - cpuBefore, wallNs: wallNs() - wallBefore };
  },
});
