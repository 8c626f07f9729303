/** The wall clock in nanoseconds: never outside the millisecond that the system's clock shows. */
import t from 'tap';
import { WallClock, wallClock } from '#lib/capture/pcapng/time.js';

/** Both clocks, set by hand. */
function clocks(wallNs: bigint, guessMs: number) {
  const now = { wall: wallNs, monotonic: 5_000_000_000n };
  const clock = new WallClock(
    () => Number(now.wall / 1_000_000n),
    () => now.monotonic,
    guessMs,
  );
  return {
    clock,
    pass: (ns: bigint) => {
      now.wall += ns;
      now.monotonic += ns;
    },
    step: (ns: bigint) => {
      now.wall += ns;
    },
  };
}

t.test('a good guess is kept, and time passes in nanoseconds', async (t) => {
  const { clock, pass } = clocks(1_000_000_500_000n, 1_000_000.5);
  t.equal(clock.now(), 1_000_000_500_000n);
  pass(123n);
  t.equal(clock.now(), 1_000_000_500_123n);
});

t.test('a bad guess is held to the millisecond, and gets better at each border', async (t) => {
  for (const guess of [0, 2_000_000]) {
    const { clock, pass } = clocks(1_000_000_500_000n, guess);
    const first = clock.now();
    t.equal(first / 1_000_000n, 1_000_000n);
    // Looks just in front of a border, and just behind.
    pass(499_990n);
    clock.now();
    pass(20n);
    const behind = clock.now();
    t.ok(behind >= 1_000_001_000_000n && behind < 1_000_001_000_030n, String(behind));
    pass(1000n);
    t.equal(clock.now(), behind + 1000n);
  }
});

t.test('it follows when the clock is set, in both directions, and else never goes back', async (t) => {
  const { clock, pass, step } = clocks(1_000_000_500_000n, 1_000_000.5);
  clock.now();
  step(3_600_000_000_000n);
  pass(1n);
  t.equal(clock.now() / 1_000_000n, 4_600_000n);
  step(-3_900_000_000_000n);
  t.equal(clock.now() / 1_000_000n, 700_000n);
  let last = clock.now();
  for (let i = 0; i < 1000; i++) {
    pass(BigInt(i * 37));
    // As NTP does, which lets the clock run slower.
    if (i % 10 === 0) step(-100n);
    const time = clock.now();
    if (time < last) t.fail(`${time} after ${last}`);
    last = time;
  }
});

t.test('the real one', async (t) => {
  for (let i = 0; i < 1000; i++) {
    const before = BigInt(Date.now());
    const time = wallClock.now() / 1_000_000n;
    const after = BigInt(Date.now());
    if (time < before || time > after) t.fail(`${before} ${time} ${after}`);
  }
});
