/** Devices on the command line, and the placeholders of exec. */
import t from 'tap';
import { KEYS } from '#lib/cli/device/keys.js';
import { keysOf, parseDevice } from '#lib/cli/device/spec.js';
import { checkPlaceholders, fillIn } from '#lib/cli/exec/placeholders.js';
import { UsageError } from '#lib/cli/terminal/failure.js';

const tap = (text: string) => parseDevice({ kind: 'tap', text }, 'handed-over');
const macvtap = (text: string) => parseDevice({ kind: 'macvtap', text }, 'handed-over');

t.test('every key sets its option', async (t) => {
  const given = tap(
    'name=t%d,netns=box,bridge=br0,mac=02:00:00:00:00:01,guest-mac=02:00:00:00:00:02,mtu=1400,address=10.0.0.1/24,' +
      'address=fd00::1/64,up=off,carrier=no,ipv6=on,all-multicast=yes,persist=true,exclusive=false,owner=1,group=2,' +
      'vnet-header=on,offload=csum+tso4,packet-info=off,send-buffer=70000,queues=3,device-path=/dev/net/tun',
  );
  t.strictSame(given, {
    kind: 'tap',
    queues: 3,
    guestMac: '02:00:00:00:00:02',
    open: {
      name: 't%d',
      netns: 'box',
      bridge: 'br0',
      mac: '02:00:00:00:00:01',
      mtu: 1400,
      addresses: ['10.0.0.1/24', 'fd00::1/64'],
      up: false,
      carrier: false,
      ipv6: true,
      allMulticast: true,
      persist: true,
      exclusive: false,
      owner: 1,
      group: 2,
      vnetHeader: true,
      offload: ['csum', 'tso4'],
      packetInfo: false,
      sendBufferBytes: 70000,
      devicePath: '/dev/net/tun',
    },
  });
  t.strictSame(macvtap('lower=eth0,mode=vepa').open, { lower: 'eth0', mode: 'vepa' });
  t.same(keysOf('macvtap', 'handed-over').includes('bridge'), false);
  t.same(keysOf('tap', 'read-here').includes('queues'), false);
  t.equal(
    new Set([...keysOf('tap', 'handed-over'), ...keysOf('macvtap', 'handed-over')]).size,
    Object.keys(KEYS).length,
  );
});

t.test('the first may be a name, and two commas are one', async (t) => {
  t.strictSame(tap('tap7,mtu=1300').open, { name: 'tap7', mtu: 1300 });
  t.strictSame(tap('').open, {});
  t.strictSame(tap('device-path=/dev/a,,b,up=on').open, { devicePath: '/dev/a,b', up: true });
  t.strictSame(tap('name=a=b').open, { name: 'a=b' });
});

t.test('what is no key or no value is refused with what there is', async (t) => {
  const refused = (work: () => unknown, message: RegExp) => {
    try {
      work();
    } catch (error) {
      t.ok(error instanceof UsageError && message.test(error.message), String(error));
      return;
    }
    t.fail(`${message} was not thrown`);
  };
  refused(() => tap('brdge=br0'), /no key "brdge"; there are name, netns, bridge/);
  refused(() => tap('lower=eth0'), /no key "lower"/);
  refused(() => tap('toString=1'), /no key "toString"/);
  refused(() => tap('name=a,up'), /write up=on\|off/);
  refused(() => tap('mtu=1,mtu=2'), /mtu is given twice/);
  refused(() => tap('up=maybe'), /neither on nor off/);
  refused(() => tap('up=constructor'), /neither on nor off/);
  refused(() => tap('mtu=1.5'), /is no number/);
  refused(() => tap('mtu='), /is no number/);
  refused(() => tap('mtu=1,'), /no key ""/);
  refused(() => macvtap('mtu=1400'), /give lower=NAME/);
  refused(() => parseDevice({ kind: 'tap', text: 'queues=2' }, 'read-here'), /no key "queues"/);
  t.throws(() => macvtap('lower=a,mode=bridged'), { code: 'ERR_TAPFD_INVALID_ARGUMENT' });
  t.throws(() => tap('offload=tso9'), { code: 'ERR_TAPFD_INVALID_ARGUMENT' });
});

t.test('placeholders are replaced, and others left alone', async (t) => {
  const facts = [
    { fds: [3], mac: '02:00:00:00:00:01', name: 'tap0', index: 5 },
    { fds: [4, 5], mac: undefined, name: 'tun0', index: 6 },
  ];
  t.same(
    fillIn(['fd={fd},mac={mac}', '{fd:1}{fds:1}', '{name:1}#{index}', '{fd_x} {fde} {}', '{mac:1}'], facts),
    ['fd=3,mac=02:00:00:00:00:01', '44:5', 'tun0#5', '{fd_x} {fde} {}', ''],
  );
  checkPlaceholders(['{fd:1}', '{mac:0}', 'x'], ['tap', 'tun']);
  t.throws(() => checkPlaceholders(['{fd:1}'], ['tap']), /there is only device 0/);
  t.throws(() => checkPlaceholders(['{fd:2}'], ['tap', 'tap']), /devices 0 to 1/);
  t.throws(() => checkPlaceholders(['{mac:1}'], ['tap', 'tun']), /a TUN has no MAC/);
  t.throws(() => checkPlaceholders(['{fd:x}'], ['tap']), /the number of a device/);
  t.throws(() => checkPlaceholders(['{name:}'], ['tap']), /the number of a device/);
  t.same(fillIn(['{fd:7}'], facts), ['{fd:7}'], 'none that is not there');
});
