/**
 * The folders of `src/` and `native/`, from the ground up: what lives in each, and what it may import. Its sentence stands
 * at the top of its main file and in docs/development.md; test/package/layout.test.ts compares all three with the code.
 *
 * @typedef {object} Folder
 * @property {string} path
 * @property {string} short for the picture
 * @property {string} main the file that a reader opens first
 * @property {string} sentence
 * @property {readonly string[]} on the folders it may import, and with each what that may import
 */

/** @type {readonly Folder[]} */
export const FOLDERS = [
  {
    path: 'native/sys',
    short: 'owners, results, sockets',
    main: 'fd.h',
    sentence:
      'owners of descriptors, results, namespaces, unix sockets. Plain system calls, without Node-API or networking.',
    on: [],
  },
  {
    path: 'native/links',
    short: 'rtnetlink',
    main: 'link.h',
    sentence:
      'rtnetlink: links, addresses and their watch, as messages to and from the kernel. On top of sys.',
    on: ['native/sys'],
  },
  {
    path: 'native/frames',
    short: 'the bytes of frames',
    main: 'io.h',
    sentence:
      'frames in memory and over a descriptor: headers, checksums, splitting, joining. On top of sys.',
    on: ['native/sys'],
  },
  {
    path: 'native/devices',
    short: 'opening, ioctls',
    main: 'open_tap.h',
    sentence:
      'opening TUN, TAP and macvtap, their ioctls, and the proof that a macvtap node is the right one. On top of links and frames.',
    on: ['native/links', 'native/frames'],
  },
  {
    path: 'native/node',
    short: 'Node-API, libuv',
    main: 'addon.cc',
    sentence:
      'what JavaScript calls, and the threads and handles behind it: the only folder that knows Node-API and libuv. On top of devices.',
    on: ['native/devices'],
  },
  {
    path: 'src/base',
    short: 'addon, errors, checks',
    main: 'native.ts',
    sentence:
      "the foundation: the addon's interface, errors with their remedies, argument checks, starting a process. Imports no other folder.",
    on: [],
  },
  {
    path: 'src/addresses',
    short: 'MACs, IP addresses',
    main: 'mac.ts',
    sentence: 'MAC and IP addresses as text and as bytes. On top of base.',
    on: ['src/base'],
  },
  {
    path: 'src/links',
    short: 'links, namespaces',
    main: 'links.ts',
    sentence: 'links, addresses, MACs and namespaces, and watching them. On top of addresses.',
    on: ['src/addresses'],
  },
  {
    path: 'src/fd-socket',
    short: 'sockets with descriptors',
    main: 'socket.ts',
    sentence: 'unix sockets that carry descriptors. On top of base.',
    on: ['src/base'],
  },
  {
    path: 'src/descriptor',
    short: 'one open descriptor',
    main: 'device-handle.ts',
    sentence: 'one open descriptor, and what is known of its link. On top of links.',
    on: ['src/links'],
  },
  {
    path: 'src/diagnose',
    short: 'why frames are missing',
    main: 'diagnose.ts',
    sentence: 'why frames do not arrive. On top of descriptor.',
    on: ['src/descriptor'],
  },
  {
    path: 'src/frames',
    short: 'streams, batches',
    main: 'stream.ts',
    sentence: 'frames in and out: streams, batches, forwarding, counters. On top of descriptor and diagnose.',
    on: ['src/diagnose'],
  },
  {
    path: 'src/devices',
    short: 'Tap, Tun, Macvtap',
    main: 'open-tap.ts',
    sentence: 'Tap, Tun and Macvtap, and the calls that open them. On top of frames and fd-socket.',
    on: ['src/frames', 'src/fd-socket'],
  },
  {
    path: 'src/qemu/qmp',
    short: "QEMU's monitor",
    main: 'connection.ts',
    sentence: "the protocol of QEMU's monitor. On top of fd-socket.",
    on: ['src/fd-socket'],
  },
  {
    path: 'src/qemu/nic',
    short: "a guest's card",
    main: 'nic.ts',
    sentence:
      "a guest's network card: arguments, checks, handing its device over. On top of links, and of devices by type.",
    on: ['src/devices'],
  },
  {
    path: 'src/qemu/hot-plug',
    short: 'cards come and go',
    main: 'add-nic.ts',
    sentence: 'cards that come and go while the guest runs. On top of qmp and nic.',
    on: ['src/qemu/qmp', 'src/qemu/nic'],
  },
  {
    path: 'src/qemu',
    short: 'entry tapfd/qemu',
    main: 'index.ts',
    sentence:
      "the entry tapfd/qemu: QMP client, spawning QEMU, following a guest's MAC. On top of qmp, nic and hot-plug.",
    on: ['src/qemu/hot-plug'],
  },
  {
    path: 'src',
    short: 'entry tapfd',
    main: 'index.ts',
    sentence: 'the entry tapfd. On top of devices.',
    on: ['src/devices'],
  },
  {
    path: 'src/packets/fields',
    short: 'fields, checksums',
    main: 'header.ts',
    sentence: 'what all headers share: reading and checking fields, checksums. On top of addresses.',
    on: ['src/addresses'],
  },
  {
    path: 'src/packets/headers',
    short: 'one file a header',
    main: 'ethernet.ts',
    sentence: 'one file for each header: its fields, and how they are read and written. On top of fields.',
    on: ['src/packets/fields'],
  },
  {
    path: 'src/packets',
    short: 'entry tapfd/packets',
    main: 'index.ts',
    sentence: 'the entry tapfd/packets: headers of frames, read and written. On top of headers.',
    on: ['src/packets/headers'],
  },
  {
    path: 'src/capture/pcapng',
    short: 'pcapng files',
    main: 'writer.ts',
    sentence: 'pcapng files, written and read. On top of descriptor, by type.',
    on: ['src/descriptor'],
  },
  {
    path: 'src/capture',
    short: 'entry tapfd/capture',
    main: 'index.ts',
    sentence: 'the entry tapfd/capture: frames of devices in pcapng files. On top of devices and pcapng.',
    on: ['src/devices', 'src/capture/pcapng'],
  },
  {
    path: 'src/testing/expect',
    short: 'expected frames',
    main: 'expect-frame.ts',
    sentence:
      'what a test expects of frames: waiting for one, differences that can be read. On top of capture and packets.',
    on: ['src/capture', 'src/packets'],
  },
  {
    path: 'src/testing/network',
    short: 'private networks',
    main: 'test-network.ts',
    sentence:
      'private networks for tests: namespaces with devices, links and programs. On top of the entry tapfd and of expect.',
    on: ['src', 'src/testing/expect'],
  },
  {
    path: 'src/testing/frame-pair',
    short: 'devices in memory',
    main: 'create-frame-pair.ts',
    sentence: 'two devices joined in memory, on any system. On top of devices.',
    on: ['src/devices'],
  },
  {
    path: 'src/testing',
    short: 'entry tapfd/testing',
    main: 'index.ts',
    sentence:
      'the entry tapfd/testing: private networks, devices in memory and expectations for tests. On top of network, frame-pair and expect.',
    on: ['src/testing/network', 'src/testing/frame-pair', 'src/testing/expect'],
  },
  {
    path: 'src/cli/terminal',
    short: 'text, colours, exit codes',
    main: 'exit-codes.ts',
    sentence:
      'what all commands say and how they end: colours, columns, messages, exit codes. On top of base.',
    on: ['src/base'],
  },
  {
    path: 'src/cli/machine',
    short: 'what there is',
    main: 'inventory.ts',
    sentence:
      'what there is on this machine: namespaces, links, devices, holders. On top of the entry tapfd.',
    on: ['src', 'src/cli/terminal'],
  },
  {
    path: 'src/cli/device',
    short: 'devices as text',
    main: 'keys.ts',
    sentence:
      'the devices that a command line describes: `--tap bridge=br0,mtu=1400`. On top of the entry tapfd.',
    on: ['src', 'src/cli/terminal'],
  },
  {
    path: 'src/cli/doctor',
    short: 'tapfd doctor',
    main: 'command.ts',
    sentence: '`tapfd doctor`: what this machine and this user can do. On top of machine and terminal.',
    on: ['src/cli/machine'],
  },
  {
    path: 'src/cli/list',
    short: 'tapfd list',
    main: 'command.ts',
    sentence:
      '`tapfd list`: the devices of this machine as a table, a tree or JSON. On top of machine and terminal.',
    on: ['src/cli/machine'],
  },
  {
    path: 'src/cli/map',
    short: 'tapfd map',
    main: 'command.ts',
    sentence: '`tapfd map`: a picture of namespaces, devices and guests. On top of machine and terminal.',
    on: ['src/cli/machine'],
  },
  {
    path: 'src/cli/top',
    short: 'tapfd top',
    main: 'command.ts',
    sentence: '`tapfd top`: rates, drops and queues, live. On top of machine and terminal.',
    on: ['src/cli/machine'],
  },
  {
    path: 'src/cli/exec',
    short: 'tapfd exec',
    main: 'command.ts',
    sentence:
      '`tapfd exec`: runs a command with the descriptors of opened devices. On top of device, and of qemu for spawning.',
    on: ['src/cli/device', 'src/qemu'],
  },
  {
    path: 'src/cli/dump',
    short: 'tapfd dump',
    main: 'command.ts',
    sentence:
      '`tapfd dump`: frames of a device as text or pcapng. On top of device, machine, capture and packets.',
    on: ['src/cli/device', 'src/cli/machine', 'src/capture', 'src/packets'],
  },
  {
    path: 'src/cli/relay',
    short: 'tapfd relay',
    main: 'command.ts',
    sentence: '`tapfd relay`: frames between a device and a byte stream. On top of device.',
    on: ['src/cli/device'],
  },
  {
    path: 'src/cli/completion',
    short: 'tapfd completion',
    main: 'command.ts',
    sentence: '`tapfd completion`: scripts for shells, made from the command tree. On top of terminal.',
    on: ['src/cli/terminal'],
  },
  {
    path: 'src/cli',
    short: 'the command',
    main: 'main.ts',
    sentence: 'the command tapfd. On top of its commands.',
    on: [
      'src/testing',
      'src/cli/doctor',
      'src/cli/list',
      'src/cli/map',
      'src/cli/top',
      'src/cli/exec',
      'src/cli/dump',
      'src/cli/relay',
      'src/cli/completion',
    ],
  },
];

/** The folder of the table that a file lives in: the deepest. @param {string} file @returns {Folder} */
export function folderOf(file) {
  const found = FOLDERS.filter(({ path }) => file.startsWith(`${path}/`)).sort(
    (a, b) => b.path.length - a.path.length,
  )[0];
  if (found === undefined) throw new Error(`${file} lives in no folder of scripts/layout/table.mjs`);
  return found;
}

/** All that a folder may import, itself among it. @param {string} path @returns {Set<string>} */
export function mayImport(path) {
  const folder = FOLDERS.find((one) => one.path === path);
  if (folder === undefined) throw new Error(`no folder ${path}`);
  return new Set([path, ...folder.on.flatMap((one) => [...mayImport(one)])]);
}

/** A document with the picture and a sentence for each folder between its marks. @param {string} document */
export function withTable(document) {
  const rows = FOLDERS.toReversed().map(({ path, main, sentence }) => {
    const text = `${sentence[0]?.toUpperCase()}${sentence.slice(1)}`;
    return `| \`${path}/\` | ${text} Begin at \`${main}\`. |`;
  });
  const made = [
    '![The folders of src/ and native/, each above all that it imports](pictures/layout.svg)',
    '',
    '| Folder | What lives there |',
    '| --- | --- |',
    ...rows,
  ].join('\n');
  const marks = /(<!-- layout -->\n)[\s\S]*(<!-- \/layout -->)/;
  if (!marks.test(document)) throw new Error('the document has no <!-- layout --> marks');
  return document.replace(marks, (_all, begin, end) => `${begin}${made}\n${end}`);
}
