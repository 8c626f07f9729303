/** setFilterProgram() and setSteeringProgram() with eBPF programs written by hand, one instruction a line. */
import { execFile } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { endianness } from 'node:os';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { type FrameStream, openTap, openTun, type Tap, type Tun } from 'tapfd';
import { fileNeeds, needs } from '../../kit/capabilities.js';
import { childCommand } from '../../kit/child.js';
import { framesUntil, send, testFrame, textOf, textsUntil } from '../../kit/frames.js';
import { ownNamespace } from '../../kit/namespace.js';
import { ROOT } from '../../kit/paths.js';

fileNeeds(t, 'root', 'tun-device', 'macvtap');

const FROM = '02:00:00:00:00:01';
const TO = '02:00:00:00:00:02';

interface Instruction {
  op: number;
  dst?: number;
  src?: number;
  off?: number;
  imm?: number;
}

/** `linux/bpf.h` struct bpf_insn, in the machine's byte order. */
function program(...instructions: Instruction[]): Uint8Array {
  const little = endianness() === 'LE';
  const bytes = new DataView(new ArrayBuffer(8 * instructions.length));
  for (const [i, { op, dst = 0, src = 0, off = 0, imm = 0 }] of instructions.entries()) {
    bytes.setUint8(8 * i, op);
    bytes.setUint8(8 * i + 1, little ? dst | (src << 4) : (dst << 4) | src);
    bytes.setInt16(8 * i + 2, off, little);
    bytes.setInt32(8 * i + 4, imm, little);
  }
  return new Uint8Array(bytes.buffer);
}

const MOV_IMM = 0xb7;
const MOV_REG = 0xbf;
const LD_ABS_BYTE = 0x30;
const JNE_IMM = 0x55;
const EXIT = { op: 0x95 };

/** Returns the number. */
const always = (imm: number) => program({ op: MOV_IMM, dst: 0, imm }, EXIT);

/** Returns `yes` when the first letter of a test frame's text is this one, else `no`. */
const byFirstLetter = (letter: string, yes: number, no: number) =>
  program(
    { op: MOV_REG, dst: 6, src: 1 },
    { op: LD_ABS_BYTE, imm: 14 },
    { op: JNE_IMM, dst: 0, off: 2, imm: letter.charCodeAt(0) },
    { op: MOV_IMM, dst: 0, imm: yes },
    EXIT,
    { op: MOV_IMM, dst: 0, imm: no },
    EXIT,
  );

t.test('BPF programs', { skip: needs('root', 'tun-device', 'bridge', 'ip') }, async (t) => {
  const network = await ownNamespace(t);
  const netns = network.name;
  // A filter counts every frame: the kernel's own neighbour discovery must not be among them.
  const quiet = ['net.ipv6.conf.default.disable_ipv6=1', 'net.ipv6.conf.all.disable_ipv6=1'];
  await promisify(execFile)('ip', ['netns', 'exec', netns, 'sysctl', '-qw', ...quiet]);
  await network.bridge('br0');

  async function openPair(t: Test, options: object = {}): Promise<[Tap, Tap]> {
    const pair: [Tap, Tap] = [
      await openTap({ netns, bridge: 'br0' }),
      await openTap({ netns, bridge: 'br0', ...options }),
    ];
    t.teardown(async () => {
      for (const device of pair) await device[Symbol.asyncDispose]();
    });
    return pair;
  }

  const write = (sender: FrameStream, text: string) => send(sender, testFrame({ to: TO, from: FROM, text }));

  t.test(
    'a filter that returns 0 drops all, one that returns -1 keeps all, null takes it away',
    async (t) => {
      const [sender, reader] = await openPair(t);
      await reader.setFilterProgram(always(0));
      await write(sender, 'dropped');
      await reader.setFilterProgram(always(-1));
      await write(sender, 'kept');
      t.strictSame(await textsUntil(reader, 'kept'), ['kept']);
      await reader.setFilterProgram(always(0));
      await write(sender, 'dropped');
      await reader.setFilterProgram(null);
      await write(sender, 'no filter');
      t.strictSame(await textsUntil(reader, 'no filter'), ['no filter']);
      t.equal((await reader.refreshStats()).received.drops.kernel, 2, 'and counts them');
    },
  );

  t.test('a filter that looks at the frame', async (t) => {
    const [sender, reader] = await openPair(t);
    await reader.setFilterProgram(byFirstLetter('d', 0, -1));
    for (const text of ['one', 'drop this', 'two', 'drop that', 'three']) await write(sender, text);
    t.strictSame(await textsUntil(reader, 'three'), ['one', 'two', 'three']);
  });

  t.test('a filter says how many bytes to keep', async (t) => {
    const [sender, reader] = await openPair(t);
    await reader.setFilterProgram(always(20));
    await write(sender, 'cut here, and the rest is lost');
    const frame = (await framesUntil(reader, (frame) => textOf(frame) !== undefined)).at(-1);
    t.equal(frame?.length, 20);
    t.equal(frame && textOf(frame), 'cut he');
  });

  t.test('a steering program chooses the queue', async (t) => {
    const [sender, first] = await openPair(t, { multiQueue: true });
    const second = await first.openQueue();
    t.teardown(() => second[Symbol.asyncDispose]());
    await first.setSteeringProgram(always(1));
    for (const text of ['a', 'b', 'c']) await write(sender, text);
    t.strictSame(await textsUntil(second, 'c'), ['a', 'b', 'c']);
    await first.setSteeringProgram(byFirstLetter('f', 0, 1));
    for (const text of ['first 1', 'second 1', 'first 2', 'second 2']) await write(sender, text);
    t.strictSame(await textsUntil(first, 'first 2'), ['first 1', 'first 2']);
    t.strictSame(await textsUntil(second, 'second 2'), ['second 1', 'second 2']);
    await second.setSteeringProgram(always(2));
    await write(sender, 'modulo the queues');
    t.strictSame(await textsUntil(first, 'modulo the queues'), ['modulo the queues']);
    await second.setSteeringProgram(null);
    await second.detachQueue();
    await write(sender, 'the kernels choice');
    t.strictSame(await textsUntil(first, 'the kernels choice'), ['the kernels choice']);
  });

  t.test('TUN: the program sees the packet', async (t) => {
    const tun: Tun = await openTun({ netns, addresses: ['10.6.0.1/24'] });
    t.teardown(() => tun[Symbol.asyncDispose]());
    const say = (text: string) => network.exec('bash', '-c', `echo ${text} > /dev/udp/10.6.0.2/9`);
    // Bytes 28 on are the text behind the headers of IPv4 and UDP; LD_ABS counts from there.
    await tun.setFilterProgram(
      program(
        { op: MOV_REG, dst: 6, src: 1 },
        { op: LD_ABS_BYTE, imm: 28 },
        { op: JNE_IMM, dst: 0, off: 2, imm: 'd'.charCodeAt(0) },
        { op: MOV_IMM, dst: 0, imm: 0 },
        EXIT,
        { op: MOV_IMM, dst: 0, imm: -1 },
        EXIT,
      ),
    );
    await say('drop');
    await say('keep');
    const packets = await framesUntil(tun, (packet) => packet[9] === 17);
    t.equal(packets.at(-1)?.subarray(28).toString(), 'keep\n');
  });

  t.test('a program that was loaded elsewhere, by its descriptor, which stays the callers', async (t) => {
    const SYS_BPF: Partial<Record<string, number>> = { x64: 321, arm64: 280, riscv64: 280 };
    const number = SYS_BPF[process.arch];
    if (number === undefined) throw new Error(`which number has bpf(2) on ${process.arch}?`);
    const bytes = Buffer.from(always(0)).toString('hex');
    const module = `
      import { statSync } from 'node:fs';
      import { openTap } from 'tapfd';
      const device = await openTap({ netns: ${JSON.stringify(netns)} });
      const fd = Number(process.env.PROGRAM_FD);
      await device.setFilterProgram(fd);
      await device.setSteeringProgram(fd);
      await device.setFilterProgram(null);
      await device[Symbol.asyncDispose]();
      statSync('/proc/self/fd/' + fd);
      process.stdout.write('still open');`;
    // It loads a socket filter (BPF_PROG_LOAD 5, type 1), keeps it over exec (F_SETFD 2), and becomes Node.
    const loader = `
      my $instructions = pack('H*', '${bytes}');
      my $license = "GPL\\0";
      my $attributes = pack('LLQQLLQLL', 1, ${bytes.length / 16}, unpack('Q', pack('P', $instructions)),
        unpack('Q', pack('P', $license)), 0, 0, 0, 0, 0);
      my $fd = syscall(${number}, 5, $attributes, length $attributes);
      die "bpf: $!" if $fd < 0;
      open(my $file, '<&=', $fd) or die $!;
      fcntl($file, 2, 0) or die $!;
      $ENV{PROGRAM_FD} = $fd;
      exec @ARGV;`;
    const node = childCommand(module);
    const { stdout } = await promisify(execFile)('perl', ['-e', loader, '--', ...node], { cwd: ROOT });
    t.equal(stdout, 'still open');
  });

  t.test('a program that the verifier refuses: its words are in the error', async (t) => {
    const [, device] = await openPair(t);
    const noReturnValue = program(EXIT);
    const endless = program({ op: 0x05, off: -1 });
    for (const [bytes, detail] of [
      [noReturnValue, /R0 !read_ok/],
      [endless, /infinite loop|back-edge/],
      [program({ op: 0xff }, EXIT), /unknown opcode|unknown insn/],
    ] as const) {
      for (const set of [device.setFilterProgram, device.setSteeringProgram]) {
        await t.rejects(set.call(device, bytes), {
          code: /^E(INVAL|ACCES)$/,
          syscall: 'bpf BPF_PROG_LOAD',
          interface: device.name,
          detail,
          message: detail,
        });
      }
    }
    t.notOk(device.destroyed);
  });

  t.test('the longest program, of which the verifier has much to say', async (t) => {
    const [sender, reader] = await openPair(t);
    const idle = Array.from({ length: 4094 }, () => ({ op: MOV_IMM, dst: 1, imm: 0 }));
    await reader.setFilterProgram(program(...idle, { op: MOV_IMM, dst: 0, imm: -1 }, EXIT));
    await write(sender, 'kept');
    t.strictSame(await textsUntil(reader, 'kept'), ['kept']);
    const bad = [...idle, { op: MOV_REG, dst: 0, src: 9 }, EXIT];
    await t.rejects(reader.setFilterProgram(program(...bad)), {
      code: 'EACCES',
      syscall: 'bpf BPF_PROG_LOAD',
    });
  });

  t.test('a descriptor that is closed, or no program', async (t) => {
    const [, device] = await openPair(t);
    const file = openSync('/dev/null', 'r');
    await t.rejects(device.setFilterProgram(file), {
      code: 'EINVAL',
      syscall: 'ioctl TUNSETFILTEREBPF',
      message: /not a loaded socket-filter program/,
    });
    await t.rejects(device.setSteeringProgram(file), {
      code: 'EINVAL',
      syscall: 'ioctl TUNSETSTEERINGEBPF',
      message: /not a loaded socket-filter program/,
    });
    closeSync(file);
    const closed = 0x7fff_ffff;
    await t.rejects(device.setFilterProgram(closed), {
      code: 'EBADF',
      syscall: 'ioctl TUNSETFILTEREBPF',
      message: /not open/,
    });
    await t.rejects(device.setSteeringProgram(closed), { code: 'EBADF', message: /not open/ });
  });
});
