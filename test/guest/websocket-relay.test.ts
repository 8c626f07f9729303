/** The WebSocket relay with a real browser: a page that runs v86 is reached by the kernel through a TAP. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import t from 'tap';
import { findV86Image } from '#scripts/guest/v86-image.mjs';
import { findCommand } from '#scripts/run-command.mjs';
import { needs } from '../kit/capabilities.ts';
import { startExample } from '../kit/examples.ts';
import { ownNamespace } from '../kit/namespace.ts';

/** No sandbox: Chromium has none as root. The rest keeps it from talking to anything but the page. */
const CHROMIUM_ARGUMENTS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];
const PORT = 8086;

t.setTimeout(240_000);

t.test(
  'a PC in a browser is on the Ethernet',
  {
    skip: needs('root', 'tun-device', 'bridge', 'ping', 'v86', 'chromium'),
  },
  async (t) => {
    const ns = await ownNamespace(t);
    await ns.ip('link', 'set', 'lo', 'up');
    const inside = ['ip', 'netns', 'exec', ns.name];
    const server = startExample(
      t,
      'websocket-relay',
      [findV86Image()?.directory ?? '', String(PORT)],
      inside,
    );
    await server.printed(/^open http/m);

    const program = join(t.testdir(), 'chromium');
    writeFileSync(program, `#!/bin/sh\nexec ${inside.join(' ')} ${findCommand('chromium')} "$@"\n`, {
      mode: 0o755,
    });
    const browser = await chromium.launch({
      executablePath: program,
      args: CHROMIUM_ARGUMENTS,
      timeout: 120_000,
    });
    t.teardown(() => browser.close());
    const page = await browser.newPage();
    page.setDefaultTimeout(200_000);
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`http://127.0.0.1:${PORT}/`);
    await page.getByText('on the network').waitFor();
    const address = (await page.locator('#address').textContent()) ?? '';
    const mac = (await page.locator('#mac').textContent()) ?? '';

    await t.test('the kernel pings it', async (t) => {
      t.equal(await ns.ping(address, 3), 3);
      t.match(await ns.ip('neighbour', 'show', address), mac, 'and hears its MAC');
    });

    await t.test('it pings the kernel', async (t) => {
      await page.getByText('3 packets transmitted, 3 packets received').waitFor();
      t.match(await page.locator('#sent').textContent(), /^[1-9]/);
    });

    await t.test('it takes commands', async () => {
      await page.locator('input').fill('echo $((6 * 7)) is the answer');
      await page.keyboard.press('Enter');
      await page.getByText('42 is the answer').last().waitFor();
    });
    const picture = process.env.TAPFD_SCREENSHOT;
    if (picture !== undefined) await page.screenshot({ path: picture });
    t.same(complaints, [], 'the page has nothing to complain of');

    await t.test('its TAP goes with the page', async (t) => {
      const taps = async () => (await ns.linkNames()).filter((name) => name.startsWith('tap'));
      t.equal((await taps()).length, 1);
      await page.close();
      while ((await taps()).length > 0);
    });

    await t.test('the bridge goes with the server', async (t) => {
      server.kill('SIGTERM');
      const { code, printed } = await server.ended;
      t.equal(code, 0, printed);
      t.same(await ns.linkNames(), []);
    });
  },
);
