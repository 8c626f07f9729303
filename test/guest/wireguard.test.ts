/** wireguard-go on TUNs that JavaScript has opened. */
import t from 'tap';
import { run, stopTunnel, withTunnels } from '../../examples/wireguard.ts';
import { needs } from '../kit/capabilities.ts';

t.setTimeout(120_000);

t.test(
  'two tunnels ping each other',
  { skip: needs('root', 'tun-device', 'veth', 'ping', 'wireguard') },
  async (t) => {
    const pids: (number | undefined)[] = [];
    await withTunnels(async ([a, b], tunnels) => {
      pids.push(...tunnels.map((tunnel) => tunnel.process.pid));
      for (const [from, to] of [
        [a, b],
        [b, a],
      ]) {
        const pinged = await run(from.netns, 'ping', ['-n', '-c', '3', '-i', '0.1', '-W', '20', to.inner]);
        t.match(pinged, '3 packets transmitted, 3 received', `${from.inner} to ${to.inner}`);
        const [link] = JSON.parse(await run(from.netns, 'ip', ['-d', '-j', 'link', 'show', from.tun]));
        t.match(link, { mtu: 1420, linkinfo: { info_data: { type: 'tun', pi: true } } });
        const [, received, sent] = (await run(from.netns, 'wg', ['show', from.tun, 'transfer'])).split('\t');
        t.ok(
          Number(received) > 0 && Number(sent) > 0,
          `${received} bytes came, ${sent} went, by wg's own count`,
        );
      }
      await stopTunnel(tunnels[0]);
      const left = JSON.parse(await run(a.netns, 'ip', ['-j', 'link', 'show', 'type', 'tun']));
      t.same(
        left.filter((link: { ifname?: string }) => link.ifname === a.tun),
        [],
        'the TUN goes with wireguard-go',
      );
      t.equal(
        JSON.parse(await run(b.netns, 'ip', ['-j', 'link', 'show', b.tun])).length,
        1,
        'and with its own',
      );
    });
    for (const pid of pids)
      t.throws(() => process.kill(Number(pid), 0), { code: 'ESRCH' }, `${pid} has ended`);
  },
);
