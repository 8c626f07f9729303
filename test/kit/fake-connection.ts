/** A client connected to a fake monitor. */
import type { Test } from 'tap';
import { QmpClient } from 'tapfd/qemu';
import { type Command, FakeMonitor } from './fake-monitor.js';

export async function connected(t: Test, answer?: (command: Command) => object | undefined) {
  const monitor = new FakeMonitor();
  const qmp = await QmpClient.connect(monitor);
  t.teardown(() => qmp[Symbol.asyncDispose]());
  if (answer !== undefined) monitor.answer = answer;
  return { monitor, qmp };
}

export const silent = (): undefined => undefined;
