import t from 'tap';
import { NewcArchive } from '#scripts/guest/newc-archive.mjs';

interface Entry {
  name: string;
  mode: number;
  device: [number, number];
  content: string;
}

/** Reads the format back as the kernel does: header, name and content, each padded to four bytes. */
function entriesOf(archive: Buffer): Entry[] {
  const entries: Entry[] = [];
  let offset = 0;
  while (offset < archive.length) {
    if (archive.toString('latin1', offset, offset + 6) !== '070701')
      throw new Error(`no header at ${offset}`);
    const field = (n: number): number =>
      Number.parseInt(archive.toString('latin1', offset + 6 + n * 8, offset + 14 + n * 8), 16);
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const device: [number, number] = [field(9), field(10)];
    const nameStart = offset + 110;
    const contentStart = (nameStart + nameSize + 3) & ~3;
    const name = archive.toString('latin1', nameStart, nameStart + nameSize - 1);
    entries.push({
      name,
      mode,
      device,
      content: archive.toString('latin1', contentStart, contentStart + size),
    });
    offset = (contentStart + size + 3) & ~3;
  }
  return entries;
}

t.test('an archive holds what was put in, with the directories above it', async (t) => {
  const archive = new NewcArchive();
  archive.addFile('usr/bin/tool', Buffer.from('12345'), 0o755);
  archive.addFile('usr/bin/other', Buffer.alloc(0), 0o644);
  archive.addSymbolicLink('usr/lib', '../lib');
  archive.addCharacterDevice('dev/console', 5, 1);
  archive.addDirectory('dev');
  const zero: [number, number] = [0, 0];
  t.same(entriesOf(archive.finish()), [
    { name: 'usr', mode: 0o040755, device: zero, content: '' },
    { name: 'usr/bin', mode: 0o040755, device: zero, content: '' },
    { name: 'usr/bin/tool', mode: 0o100755, device: zero, content: '12345' },
    { name: 'usr/bin/other', mode: 0o100644, device: zero, content: '' },
    { name: 'usr/lib', mode: 0o120777, device: zero, content: '../lib' },
    { name: 'dev', mode: 0o040755, device: zero, content: '' },
    { name: 'dev/console', mode: 0o020600, device: [5, 1], content: '' },
    { name: 'TRAILER!!!', mode: 0, device: zero, content: '' },
  ]);
});
