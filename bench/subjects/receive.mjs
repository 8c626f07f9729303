/**
 * Receives in one of several ways, as bench/floor/receive.c does:
 *
 *     node receive.mjs WAY NAME KIND COMMANDS ANSWERS
 */
import { answer, cpuNs, Producer, serve, wallNs } from './commands.mjs';
import { receivers } from './receivers.mjs';

const [way, name, kind, commands, answers] = process.argv.slice(2);
const producer = new Producer(commands, answers);

let received = 0;
let lastAt = 0;
let wanted = Number.POSITIVE_INFINITY;
let reached = () => {};

function count(frames) {
  received += frames;
  if (received >= wanted) {
    wanted = Number.POSITIVE_INFINITY;
    reached();
  }
}

const device = await receivers[way]({ name, kind, count });
answer({ ready: true, device: device.name });

/** Resolves when nothing more arrives; a flood brings at least one frame. */
const untilQuiet = async () => {
  do {
    lastAt = received;
    await new Promise((resolve) => setTimeout(resolve, 20));
  } while (received === 0 || received !== lastAt);
};

serve({
  async drain(size, burst, rounds) {
    let cpu = 0;
    let wall = 0;
    received = 0;
    for (let round = 1; round <= rounds; round += 1) {
      const done = new Promise((resolve) => {
        reached = resolve;
      });
      wanted = round * burst;
      producer.burst(size, burst);
      const cpuBefore = cpuNs();
      const wallBefore = wallNs();
      device.drain?.();
      await done;
      cpu += cpuNs() - cpuBefore;
      wall += wallNs() - wallBefore;
    }
    return { frames: received, cpuNs: cpu, wallNs: wall };
  },
  async flood(size, ms) {
    received = 0;
    const cpuBefore = cpuNs();
    const wallBefore = wallNs();
    await producer.flood(size, ms);
    await untilQuiet();
    return { frames: received, cpuNs: cpuNs() - cpuBefore, wallNs: wallNs() - wallBefore };
  },
});
