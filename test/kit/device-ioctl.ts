/** Ioctls on a device's descriptor by another program, as QEMU makes them: the library does not hear of it. */
import { execFileSync } from 'node:child_process';
import type { FrameStream } from 'tapfd';

const TUNGETSNDBUF = 0x800454d3;
const TUNGETVNETHDRSZ = 0x800454d7;
const TUNSETVNETHDRSZ = 0x400454d8;

/** Makes the request with one integer, and returns the integer afterwards. */
function ioctl({ fd }: FrameStream, request: number, value: number): number {
  const script = `import fcntl, struct
print(struct.unpack("i", fcntl.ioctl(3, ${request}, struct.pack("i", ${value})))[0])`;
  const stdio = ['ignore', 'pipe', 'inherit', fd];
  return Number(execFileSync('python3', ['-c', script], { stdio: stdio as 'pipe'[], encoding: 'utf8' }));
}

export function setVnetHeaderSize(device: FrameStream, bytes: number): void {
  ioctl(device, TUNSETVNETHDRSZ, bytes);
}

export function vnetHeaderSize(device: FrameStream): number {
  return ioctl(device, TUNGETVNETHDRSZ, 0);
}

export function sendBufferBytes(device: FrameStream): number {
  return ioctl(device, TUNGETSNDBUF, 0);
}
