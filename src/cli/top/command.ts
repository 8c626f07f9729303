/** src/cli/top/: `tapfd top`: rates, drops and queues, live. On top of machine and terminal. */
import { setTimeout as delay } from 'node:timers/promises';
import { untilEnded } from '../terminal/ending.js';
import { EXIT } from '../terminal/exit-codes.js';
import { CommandError } from '../terminal/failure.js';
import { printLines } from '../terminal/output.js';
import { type Style, styleFor } from '../terminal/style.js';
import { type DeviceRates, Rates } from './rates.js';
import { type Sample, Sampler } from './sample.js';
import { Screen } from './screen.js';
import { ratesAsJson, ratesTable } from './table.js';

export interface TopOptions {
  all?: true;
  /** Seconds. */
  interval: number;
  count?: number;
  json?: true;
}

export async function top(names: readonly string[], options: TopOptions): Promise<number> {
  const { signal, forget } = untilEnded();
  const quit = new AbortController();
  const sampler = new Sampler(options.all === true);
  const first = only(names, await sampler.take());
  checkNames(names, first);
  const rates = new Rates(first);
  const isLive = process.stdout.isTTY && !options.json;
  const style = styleFor(process.stdout);
  const screen = isLive
    ? new Screen(
        () => quit.abort(),
        () => [headLine(options.interval, style), '', 'counting …'],
      )
    : undefined;
  const ended = AbortSignal.any([signal, quit.signal]);
  try {
    for (let looks = 0; looks < (options.count ?? Number.POSITIVE_INFINITY); looks++) {
      await delay(options.interval * 1000, undefined, { signal: ended }).catch(() => undefined);
      if (ended.aborted) break;
      show(rates.next(only(names, await sampler.take())), options, style, screen);
    }
  } finally {
    screen?.close();
    forget();
  }
  return EXIT.ok;
}

function only(names: readonly string[], { at, devices }: Sample): Sample {
  return { at, devices: names.length === 0 ? devices : devices.filter(({ name }) => names.includes(name)) };
}

/** A device may go while it is watched; one that is misspelt is not waited for. */
function checkNames(names: readonly string[], { devices }: Sample): void {
  const missing = names.find((name) => !devices.some((device) => device.name === name));
  if (missing === undefined) return;
  throw new CommandError(
    `there is no TUN, TAP or macvtap ${missing} here: see tapfd list --all (ENODEV)`,
    EXIT.failed,
  );
}

function show(
  { seconds, devices }: { seconds: number; devices: readonly DeviceRates[] },
  { json, interval }: TopOptions,
  style: Style,
  screen: Screen | undefined,
): void {
  const time = new Date();
  if (json) printLines([ratesAsJson(time, seconds, devices)]);
  else if (screen) {
    screen.draw((width) => [headLine(interval, style, time), '', ...ratesTable(devices, style, width)]);
  } else printLines([time.toISOString(), ...ratesTable(devices, style, Number.POSITIVE_INFINITY), '']);
}

function headLine(interval: number, { bold, dim }: Style, time = new Date()): string {
  return `${bold('tapfd top')}  ${time.toTimeString().slice(0, 8)}  every ${interval} s  ${dim('q ends it')}`;
}
