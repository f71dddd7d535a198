import { expect, test } from 'vitest';
import { publishedPackages } from '../src/packages.ts';
import { type Cost, missingFrom, sizeTable, withTable } from '../src/table.ts';

const cost = (short: string): Cost => ({ short, bytes: 1_234_567, packages: 3, imports: [9, 1, 2.25] });
const readme = 'Before\n<!-- sizes -->\nold\n<!-- /sizes -->\nafter\n';

test('the table has a row for each package, with the least of its import times', () => {
  expect(sizeTable([cost('infra-core'), cost('infra')], 'v20')).toContain(
    '| [infra-core](packages/infra-core) | 1.2 MB | 3 | 1.0 ms |\n| [infra](packages/infra) | 1.2 MB | 3 | 1.0 ms |',
  );
});

test('the table takes the place of what is between the two comments, and nothing else changes', () => {
  const written = withTable(readme, 'new');
  expect(written).toBe('Before\n<!-- sizes -->\nnew\n<!-- /sizes -->\nafter\n');
  expect(withTable(written, 'new')).toBe(written);
});

test('a README without the comments is left alone, and the error names them', () => {
  expect(() => withTable('no place', 'new')).toThrow('<!-- sizes -->');
  expect(() => withTable('<!-- /sizes --> <!-- sizes -->', 'new')).toThrow('<!-- /sizes -->');
});

test('a package without a row is found, also when its name begins like that of one with a row', () => {
  const written = withTable(readme, sizeTable([cost('infra-core')]));
  expect(missingFrom(written, [{ short: 'infra-core' }, { short: 'infra' }])).toEqual(['infra']);
  expect(missingFrom(`${readme}[infra](packages/infra)`, [{ short: 'infra' }])).toEqual(['infra']);
});

test('all packages of the repository are measured', () => {
  const all = publishedPackages();
  expect(all.length).toBeGreaterThan(9);
  expect(missingFrom(withTable(readme, sizeTable(all.map(({ short }) => cost(short)))), all)).toEqual([]);
});
