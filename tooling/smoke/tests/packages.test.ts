import { expect, test } from 'vitest';
import { declaredBy, type Manifest } from '../src/packages.ts';

const manifests: Record<string, Manifest> = {
  app: { name: 'app', version: '1.0.0', dependencies: { a: '*' } },
  a: { name: 'a', version: '1.0.0', dependencies: { b: '*' }, optionalDependencies: { c: '*' } },
  b: {
    name: 'b',
    version: '1.0.0',
    dependencies: { a: '*' },
    peerDependencies: { needed: '*', offered: '*' },
    peerDependenciesMeta: { offered: { optional: true } },
  },
};

test('what installing brings is all that is declared, in turn, without optional peers', () => {
  const declared = declaredBy(manifests.app as Manifest, (name) => manifests[name]);
  expect([...declared].sort()).toEqual(['a', 'app', 'b', 'c', 'needed']);
});
