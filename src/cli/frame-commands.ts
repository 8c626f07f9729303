/** The commands that open devices. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { DumpOptions } from './dump/options.js';
import { addDeviceOptions, examples, integer, seconds } from './options.js';
import { FRAMINGS, type RelayOptions } from './relay/options.js';

export function addFrameCommands(program: Command, end: (exitCode: number) => void): void {
  addExec(program, end);
  addDump(program, end);
  addRelay(program, end);
}

const PLACEHOLDERS = `
In the arguments of COMMAND these are replaced ({fd:1}: of the second device):
  {fd}     number of the descriptor
  {fds}    numbers of all its queues, as in 3:4
  {mac}    MAC for the guest: that of the macvtap; on a TAP guest-mac, or random
  {name}   name of the link
  {index}  index of the link

Exit code: that of COMMAND, or 128 and the signal that ended it; 125 tapfd
failed, 126 COMMAND is no program, 127 it was not found.`;

function addExec(program: Command, end: (exitCode: number) => void): void {
  const command = program
    .command('exec')
    .summary('run a command with descriptors of devices')
    .description('Opens devices and runs COMMAND, which inherits their descriptors. They go when it ends.')
    .usage('--tap|--tun|--macvtap [KEYS]... -- COMMAND [ARGUMENT...]')
    .argument('[COMMAND...]', 'what to run');
  const devices = addDeviceOptions(command, 'handed-over');
  command
    .addHelpText('after', PLACEHOLDERS)
    .addHelpText(
      'after',
      examples(
        'tapfd exec --macvtap lower=eth0 -- qemu-system-x86_64 -m 512 disk.img \\',
        '  -netdev tap,id=n0,fd={fd} -device virtio-net-pci,netdev=n0,mac={mac}',
      ),
    )
    .action(async (words: string[]) => {
      const { exec } = await import('./exec/command.js');
      end(await exec(devices, words));
    });
}

function addDump(program: Command, end: (exitCode: number) => void): void {
  const command = program
    .command('dump')
    .summary('frames of a device, as text or pcapng')
    .description('Opens a device, or attaches to one, and writes what arrives: as text, or as pcapng.')
    .argument('[DEVICE]', 'a device that is there');
  const devices = addDeviceOptions(command, 'read-here');
  command
    .addOption(
      new Option('--fd <NUMBER>', 'a descriptor that tapfd inherits').argParser(integer(0, 0x7fff_ffff)),
    )
    .option('-w, --write <FILE>', 'write pcapng to this file; - is standard output')
    .option('-c, --count <COUNT>', 'end after so many frames', integer(1, Number.MAX_SAFE_INTEGER))
    .option('-s, --snaplen <BYTES>', 'keep only the first bytes of a frame', integer(1, 0x7fff_ffff))
    .option('--ring <COUNTxMIB>', 'with -w: COUNT files of MIB mebibytes each, the oldest goes', ring)
    .option('--json', 'print each frame as one line of JSON')
    .option('-q, --quiet', 'no summary at the end')
    .addHelpText(
      'after',
      examples(
        'tapfd dump --tap bridge=br0',
        'tapfd dump --macvtap lower=eth0 -w - | wireshark -k -i -',
        'tapfd dump tap0 -c 10 -w ten.pcapng',
      ),
    )
    .action(async (device: string | undefined, options: DumpOptions) => {
      const { dump } = await import('./dump/command.js');
      end(await dump(devices, device, options));
    });
}

/** `4x10`. */
function ring(text: string): { files: number; bytes: number } {
  const [, files = '', mebibytes = ''] = /^(\d{1,4})x(\d{1,6})$/.exec(text) ?? [];
  if (Number(files) >= 2 && Number(mebibytes) >= 1) {
    return { files: Number(files), bytes: Number(mebibytes) * 1024 * 1024 };
  }
  throw new InvalidArgumentError('It must be 4x10 for four files of 10 MiB, and at least two files.');
}

function addRelay(program: Command, end: (exitCode: number) => void): void {
  const command = program
    .command('relay')
    .summary('join a device and the socket of QEMU, passt, gvproxy')
    .description('Carries frames between a device and a unix or TCP socket: for QEMU, passt and gvproxy.');
  const devices = addDeviceOptions(command, 'read-here');
  command
    .addOption(new Option('--connect <ADDRESS>', 'connect to unix:PATH, or HOST:PORT').conflicts('listen'))
    .option('--listen <ADDRESS>', 'wait for one peer there')
    .addOption(
      new Option('--framing <FORMAT>', 'what stands before each frame')
        .choices(Object.keys(FRAMINGS))
        .default('qemu'),
    )
    .addOption(
      new Option('--reconnect [SECONDS]', 'go on when the peer goes, and try again so often')
        .preset('1')
        .argParser(seconds(0.1, 3600)),
    )
    .option('-q, --quiet', 'only errors')
    .addHelpText(
      'after',
      `\nFormats:\n${Object.entries(FRAMINGS)
        .map(([name, { help }]) => `  ${name.padEnd(8)}${help}`)
        .join('\n')}`,
    )
    .addHelpText(
      'after',
      examples(
        'tapfd relay --tap bridge=br0 --listen unix:/run/guest.sock',
        '  qemu-system-x86_64 … -netdev \\',
        '    stream,id=n0,addr.type=unix,addr.path=/run/guest.sock',
        'passt --foreground --socket /run/passt.sock',
        '  tapfd relay --tap --connect unix:/run/passt.sock --reconnect',
      ),
    )
    .action(async (options: RelayOptions) => {
      const { relay } = await import('./relay/command.js');
      end(await relay(devices, options));
    });
}
