/**
 * Receives, and measures how long the turns of the event loop are:
 *
 *     node turn.mjs WAY NAME KIND COMMANDS ANSWERS
 *
 * A turn is from one check phase (setImmediate) to the next. Its length by the clock includes the time that other
 * processes ran meanwhile; its CPU time does not.
 */
import { answer, cpuNs, Producer, serve, wallNs } from './commands.mjs';
import { receivers } from './receivers.mjs';

const [way, name, kind, commands, answers] = process.argv.slice(2);
const producer = new Producer(commands, answers);
let received = 0;
const device = await receivers[way]({
  name,
  kind,
  count(frames) {
    received += frames;
  },
});
answer({ ready: true, device: device.name });

serve({
  async turns(size, ms) {
    const clock = [];
    const cpu = [];
    let going = true;
    received = 0;
    let clockBefore = wallNs();
    let cpuBefore = cpuNs();
    const look = () => {
      const [clockNow, cpuNow] = [wallNs(), cpuNs()];
      clock.push(clockNow - clockBefore);
      cpu.push(cpuNow - cpuBefore);
      [clockBefore, cpuBefore] = [clockNow, cpuNow];
      if (going) setImmediate(look);
    };
    setImmediate(look);
    await producer.flood(size, ms);
    going = false;
    clock.sort((a, b) => a - b);
    cpu.sort((a, b) => a - b);
    return {
      frames: received,
      turns: clock.length,
      longestNs: clock.at(-1),
      longestCpuNs: cpu.at(-1),
      p999Ns: clock[Math.floor(clock.length * 0.999)],
    };
  },
});
