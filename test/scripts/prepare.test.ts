import t from 'tap';
import { whyDependenciesAreStale } from '#scripts/prepare.mjs';
import { capabilityInReason } from '#scripts/test/capabilities.mjs';

const LOCK = {
  packages: {
    '': { name: 'x' },
    'node_modules/a': { version: '1.0.0' },
    'node_modules/for-windows': { version: '2.0.0', optional: true },
  },
};

t.test('dependencies are installed anew only where they are not what the lock file says', async (t) => {
  const installed = (packages: object) => ({
    'package-lock.json': JSON.stringify(LOCK),
    node_modules: { '.package-lock.json': JSON.stringify({ packages }) },
  });
  t.equal(
    whyDependenciesAreStale(t.testdir(installed({ 'node_modules/a': { version: '1.0.0' } }))),
    undefined,
  );
  t.match(
    whyDependenciesAreStale(t.testdir(installed({ 'node_modules/a': { version: '0.9.0' } }))),
    'node_modules/a is 0.9.0, not 1.0.0',
  );
  t.match(whyDependenciesAreStale(t.testdir(installed({}))), 'node_modules/a is missing, not 1.0.0');
  const fresh = t.testdir({ 'package-lock.json': JSON.stringify(LOCK) });
  t.equal(whyDependenciesAreStale(fresh), 'node_modules is missing');
});

t.test('a skip is accepted only if it names a capability', async (t) => {
  t.equal(capabilityInReason('needs macvtap: the kernel makes no macvtap'), 'macvtap');
  t.equal(capabilityInReason('needs luck: not today'), undefined);
  t.equal(capabilityInReason('flaky'), undefined);
  t.equal(capabilityInReason(''), undefined);
});
