/** Waiting until a change of a link is heard: from the device, from `ip monitor`, from rtnetlink. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Test } from 'tap';
import { type FrameStream, type LinkChange, links } from 'tapfd';
import type { TestNamespace } from './namespace.js';

/**
 * The next `'link'` event that reports a change of `fact`. Waiting for it keeps the process alive, which a device that
 * nobody reads does not.
 */
export function linkEvent(device: FrameStream, fact: LinkChange['changed'][number]): Promise<LinkChange> {
  const waiting = setInterval(() => undefined, 2 ** 30);
  return new Promise((resolve) => {
    const hear = (change: LinkChange) => {
      if (!change.changed.includes(fact)) return;
      device.off('link', hear);
      clearInterval(waiting);
      resolve(change);
    };
    device.on('link', hear);
  });
}

/** Follows `ip monitor link`, from now on. */
export async function monitorLinks(
  t: Pick<Test, 'teardown'>,
  ns: TestNamespace,
): Promise<{ until: (text: string) => Promise<string> }> {
  const monitor = spawn('ip', ['-n', ns.name, 'monitor', 'link'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => monitor.kill());
  let heard = '';
  monitor.stdout.setEncoding('utf8').on('data', (text) => {
    heard += text;
  });
  const until = async (text: string) => {
    while (!heard.includes(text)) await once(monitor.stdout, 'data');
    return heard;
  };
  // It prints nothing when it begins to listen: change something until it hears.
  while (heard === '') {
    await ns.ip('link', 'add', 'heard', 'type', 'bridge');
    await ns.ip('link', 'delete', 'heard');
  }
  return { until };
}

/**
 * Waits until a link has noticed that its cable was plugged in or out: the kernel reports it after the call has
 * returned.
 */
export async function untilCarrier(netns: string, name: string, wanted: boolean): Promise<void> {
  while (((await links.get(name, { netns })).operState === 'up') !== wanted);
}
