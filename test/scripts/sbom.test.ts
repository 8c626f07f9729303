/** The list of what a release contains, and the licences in it. */
import t from 'tap';
import { licenseFaults, makeSbom, runTimePackages, sbomFaults } from '#scripts/package/sbom.mjs';

t.test('the list names every run-time dependency, and what is inside the prebuilds', async (t) => {
  const sbom = await makeSbom();
  t.same(sbomFaults(sbom), []);
  const [first, ...others] = sbom.components;
  t.ok(first !== undefined && others.length > 3);
  t.match(sbomFaults({ ...sbom, components: others }), [/^it lacks pkg:npm\//, /which it does not list$/]);
  const stranger = { name: 'x', purl: 'pkg:npm/x@1.0.0' };
  t.same(sbomFaults({ ...sbom, components: [...sbom.components, stranger] }), [
    'it has pkg:npm/x@1.0.0, which is no run-time dependency',
  ]);
  const bare = sbom.components.map(({ hashes, ...rest }) => rest);
  t.match(sbomFaults({ ...sbom, components: bare }), [/has no hash$/]);
});

t.test('run-time dependencies have licences that were agreed to', async (t) => {
  const packages = runTimePackages();
  t.ok(packages.length >= 3 && packages.length < 15, packages.map(({ name }) => name).join(' '));
  t.same(licenseFaults(packages), []);
  t.same(licenseFaults([{ name: 'x', version: '1', license: 'GPL-3.0', integrity: '' }]), [
    'x has the licence GPL-3.0',
  ]);
});
