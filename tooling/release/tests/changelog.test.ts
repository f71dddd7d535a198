import { expect, test } from 'vitest';
import { getDependencyReleaseLine, getReleaseLine } from '../changelog.mjs';

test('a change is its sentence, without the hash of its commit', async () => {
  expect(await getReleaseLine({ summary: 'Faster.\n\nMuch.\n', commit: 'abc123' })).toBe(
    '- Faster.\n\n  Much.',
  );
});

test('a package of ours that is needed in a later version is named once', async () => {
  const dependencies = [{ name: 'a', newVersion: '2.0.0' }];
  expect(await getDependencyReleaseLine([{ commit: 'abc123' }], dependencies)).toBe(
    '- Needs a 2.0.0 or later.',
  );
  expect(await getDependencyReleaseLine([], dependencies)).toBe('');
  expect(await getDependencyReleaseLine([{}], [])).toBe('');
});
