/** What Wireshark sees in frames. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

const SEPARATOR = '\t';
const BETWEEN_VALUES = '|';

/** A capture file (pcap, nanoseconds left out) of Ethernet frames. */
function pcap(frames: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(0x4_0000, 16);
  header.writeUInt32LE(1, 20);
  const records = frames.flatMap((frame, number) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(number, 0);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return [record, frame];
  });
  return Buffer.concat([header, ...records]);
}

/** Each frame in its own right: no fragments joined, no streams followed; checksums checked. */
const SETTINGS = {
  'ip.check_checksum': 'TRUE',
  'tcp.check_checksum': 'TRUE',
  'udp.check_checksum': 'TRUE',
  'ip.defragment': 'FALSE',
  'ipv6.defragment': 'FALSE',
  'tcp.relative_sequence_numbers': 'FALSE',
  'tcp.analyze_sequence_numbers': 'FALSE',
  'tcp.desegment_tcp_streams': 'FALSE',
};

/** The values of the fields in each frame, those of headers within a quoted packet last. `file` is written for it. */
export async function readByTshark(
  file: string,
  frames: readonly Buffer[],
  fields: readonly string[],
): Promise<Map<string, string[]>[]> {
  writeFileSync(file, pcap(frames));
  const child = spawn('tshark', [
    // Any random payload may look like it.
    ...['--disable-heuristic', 'rtcp_udp'],
    ...['-n', '-r', file, '-T', 'fields', '-E', `aggregator=${BETWEEN_VALUES}`],
    ...Object.entries(SETTINGS).flatMap(([name, value]) => ['-o', `${name}:${value}`]),
    ...fields.flatMap((field) => ['-e', field]),
  ]);
  const [ended, output, complaints] = [once(child, 'close'), text(child.stdout), text(child.stderr)];
  const [status] = await ended;
  if (status !== 0) throw new Error(await complaints);
  return (await output)
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => {
      const values = line.split(SEPARATOR);
      return new Map(
        fields.map((field, place) => [
          field,
          values[place] === '' ? [] : values[place].split(BETWEEN_VALUES),
        ]),
      );
    });
}
