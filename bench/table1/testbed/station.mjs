/** Where the measured programs run: a guest, booted with its cards, or the container. */
import { once } from 'node:events';
import { spawnQemu } from 'tapfd/qemu';
import { addressOf, CARD_NAMES, hostName, macOf } from '../cards.mjs';
import { quoted } from '../shell.mjs';
import { runIn } from './hosts.mjs';

export const ANSWER_PORT = 5402;

/** After this a guest ends by itself, if nothing has ended it. */
const LIFETIME_SECONDS = 4 * 3600;

/** Where a guest with a disk has its Debian. */
const ROOT = '/root-of-debian';

/** All guests share the disk, which is read-only; what a guest writes stays in its memory. */
const MOUNT_DEBIAN = [
  `mkdir -p /disk /layer ${ROOT}`,
  'mount -t squashfs -o ro /dev/vda /disk',
  'mount -t tmpfs layer /layer && mkdir /layer/upper /layer/work',
  `mount -t overlay -o lowerdir=/disk,upperdir=/layer/upper,workdir=/layer/work debian ${ROOT}`,
  `for one in proc sys dev; do mkdir -p ${ROOT}/$one && mount --bind /$one ${ROOT}/$one; done`,
  `mkdir -p ${ROOT}/dev/pts && mount -t devpts -o ptmxmode=666 pts ${ROOT}/dev/pts`,
  `mount -t tmpfs -o mode=1777 shm ${ROOT}/tmp`,
].join(' && ');

export class GuestStation {
  #guest;
  #hasDisk;

  /**
   * Boots it.
   *
   * @param {object} options
   * @param {import('../cards.mjs').Station} options.name
   * @param {import('./hosts.mjs').Hosts} options.hosts
   * @param {import('../guest/images.mjs').SmallImage} options.image
   * @param {string} [options.disk] with the Debian. Default: a small guest
   */
  static async boot({ name, hosts, image, disk }) {
    const { Guest } = await import('../../../.cache/examples/guest.js');
    const nics = await hosts.openCards(name);
    const args = qemuArguments(image, disk);
    const child = await spawnQemu('qemu-system-x86_64', args, { nics, stdio: 'pipe' }).catch(
      async (error) => {
        for (const { device } of nics) await device[Symbol.asyncDispose]();
        throw error;
      },
    );
    const guest = await Guest.on(child, { name: `guest ${name}` });
    const station = new GuestStation(guest, name, disk !== undefined);
    try {
      if (disk !== undefined) await guest.must(MOUNT_DEBIAN);
      await station.#setUpNetwork();
      await station.#startServers();
    } catch (error) {
      await guest.kill();
      throw error;
    }
    return station;
  }

  constructor(guest, name, hasDisk) {
    this.#guest = guest;
    this.#hasDisk = hasDisk;
    this.name = name;
  }

  async #setUpNetwork() {
    await this.#guest.must(`hostname ${hostName(this.name)}`);
    // Two cards are on each Ethernet, and each must answer for its own address only.
    await this.#guest.must(
      'cd /proc/sys/net/ipv4/conf/all && echo 1 >arp_ignore && echo 2 >arp_announce && ' +
        '{ test ! -e /proc/sys/net/ipv6 || echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; }',
    );
    for (const [position, card] of CARD_NAMES.entries()) {
      const link = `eth${position}`;
      const mac = (await this.#guest.must(`cat /sys/class/net/${link}/address`)).trim();
      if (mac !== macOf(this.name, card)) throw new Error(`${this.#guest.name}: ${link} has ${mac}`);
      const address = addressOf(this.name, card);
      await this.#guest.must(`ip address add ${address}/24 dev ${link} && ip link set ${link} up`);
    }
  }

  async #startServers() {
    await this.#guest.must(`request_response serve ${ANSWER_PORT} </dev/null >/dev/null 2>&1 &`);
    await this.must('iperf3 -s </dev/null >/dev/null 2>&1 &');
  }

  /** Runs one line of shell, in the guest's Debian where it has one; a status other than 0 is an error. */
  must(command, timeoutSeconds = 120) {
    const line = this.#hasDisk ? inDebian(command) : command;
    return this.#guest.must(line, { timeoutMs: timeoutSeconds * 1000 });
  }

  /** Runs one line of shell in the small system, where `request_response` is. */
  mustInSmall(command, timeoutSeconds = 120) {
    return this.#guest.must(command, { timeoutMs: timeoutSeconds * 1000 });
  }

  stop() {
    return this.#guest.kill();
  }
}

/** A namespace on the host, with the host's kernel. */
export class ContainerStation {
  name = 'container';
  #netns;
  #program;
  #servers = [];

  /** @param {import('tapfd').Netns} netns @param {string} program request_response */
  static async start(netns, program) {
    const station = new ContainerStation();
    station.#netns = netns;
    station.#program = program;
    const answers = netns.spawn(program, ['serve', String(ANSWER_PORT)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    station.#servers.push(answers);
    const iperf3 = netns.spawn('iperf3', ['-s', '--forceflush'], { stdio: ['ignore', 'pipe', 'inherit'] });
    station.#servers.push(iperf3);
    for (const server of station.#servers) {
      process.once('exit', () => server.kill('SIGKILL'));
      await once(server.stdout, 'data');
      server.stdout.resume();
    }
    return station;
  }

  must(command) {
    return runIn(this.#netns, 'sh', ['-c', command]);
  }

  mustInSmall(command) {
    return this.must(command.replace(/^request_response/, quoted(this.#program)));
  }

  async stop() {
    for (const server of this.#servers.splice(0)) {
      if (server.exitCode !== null || server.signalCode !== null) continue;
      server.kill('SIGKILL');
      await once(server, 'exit');
    }
  }
}

/** One processor for each guest, as small machines have two. No KVM, as not every machine has it. */
function qemuArguments(image, disk) {
  const drive = `file=${disk?.replaceAll(',', ',,')},if=virtio,readonly=on,format=raw`;
  return [
    ...['-machine', 'pc', '-accel', 'tcg', '-cpu', 'max', '-smp', '1'],
    ...['-m', disk === undefined ? '192' : '2048'],
    ...['-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
    ...['-kernel', image.kernel, '-initrd', image.initramfs],
    ...['-append', `console=ttyS0 quiet panic=-1 tapfd.lifetime=${LIFETIME_SECONDS}`],
    ...(disk === undefined ? [] : ['-drive', drive]),
  ];
}

/**
 * Detaches the programs from the console: an ssh client reads the input of its terminal, and so our next line.
 */
function inDebian(command) {
  const shell = `setsid chroot ${ROOT} /bin/bash -c ${quoted(`export HOME=/root USER=root; cd; ${command}`)}`;
  return `${shell} >/tmp/output 2>&1; status=$?; cat /tmp/output; exit $status`;
}
