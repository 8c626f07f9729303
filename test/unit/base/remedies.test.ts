/** Remedies that depend on what the call was about. */
import t from 'tap';
import { fromNative } from '#lib/base/native-call.js';
import { explain } from '#lib/base/remedies.js';
import { needs } from '../../kit/capabilities.js';
import { childCommand } from '../../kit/child.js';
import { ROOT } from '../../kit/paths.js';
import { startProgram } from '../../kit/started-program.js';

t.test('a remedy knows the file or the interface', async (t) => {
  const failure = new Error('open: failed');
  const text = (code: string, facts: object) => explain(code, failure, { syscall: 'open', ...facts });
  t.match(text('EACCES', { path: '/dev/tap7' }), /no permission on that file/, 'root owns them');
  t.match(text('EACCES', { path: '/somewhere' }), /no permission on that file/);
  t.match(text('EACCES', {}), /no permission on that file/);
  t.match(text('EBUSY', { interface: 'macvtap7' }), /macvtap7 has 256 queues/);
  t.match(text('EEXIST', { path: '/run/netns/blue' }), /blue already exists/);
  t.match(explain('EBUSY', failure, { syscall: 'openat', interface: 'm7' }), /m7 has 256 queues/);
  t.match(text('EPERM', { path: '/dev/tap7' }), /device cgroup/);
  t.match(explain('EPERM', failure, { syscall: 'openat', interface: 'm7' }), /device cgroup.*node of m7/);
  t.match(explain('EXDEV', failure, { detail: 'the words' }), /EXDEV.*kernel: the words/);
});

t.test("the message names the file or the interface, the failure's own first", async (t) => {
  const failure = (facts: object) =>
    Object.assign(new Error('open: No such file or directory'), { errno: -2, syscall: 'open', ...facts });
  const text = (facts: object, context: object) =>
    String(fromNative(failure(facts), { operation: 'openTap', ...context }));
  t.match(text({ path: '/a', interface: 'tap1' }, { interface: 'tap0' }), /directory \(ENOENT, \/a\); /);
  t.match(text({ interface: 'tap1' }, { interface: 'tap0' }), /\(ENOENT, tap1\)/);
  t.match(text({}, { interface: 'tap0', path: '/dev/net/tun' }), /\(ENOENT, tap0\)/);
  t.match(text({}, { interface: 'tap%d' }), /\(ENOENT\)/, 'a template is the name of none');
  t.match(text({}, {}), /\(ENOENT\)/);
});

t.test('EPERM names the capability, but only where it is missing', { skip: needs('root') }, async (t) => {
  const calls = ['', 'setns', 'unshare', 'mount', 'umount2', 'bpf'];
  for (const syscall of calls) {
    t.notMatch(explain('EPERM', new Error('refused'), { syscall }), /CAP_/, 'root has them all');
  }
  const module = `
    import { explain } from '#lib/base/remedies.js';
    const told = () => ${JSON.stringify(calls)}.map((syscall) => explain('EPERM', new Error('refused'), { syscall }));
    const asRoot = told();
    process.geteuid = () => 1000;
    console.log(JSON.stringify([asRoot, told()]));`;
  const command = ['--bounding-set=-all', '--inh-caps=-all', ...childCommand(module)];
  const { output } = await startProgram('setpriv', command, { cwd: ROOT }).ended;
  const [asRoot, asUser]: string[][] = JSON.parse(output);
  const capabilities = [/CAP_NET_ADMIN/, ...Array<RegExp>(4).fill(/CAP_SYS_ADMIN/), /CAP_BPF/];
  for (const [i, capability] of capabilities.entries()) {
    t.match(asRoot?.[i], capability);
    t.match(asRoot?.[i], /which this root does not have.*--cap-add=/);
    t.match(asUser?.[i], capability);
    t.match(asUser?.[i], /: run as root/);
  }
});
