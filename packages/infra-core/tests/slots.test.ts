import { afterEach, expect, test } from 'vitest';
import { clearSlot, slot } from '../src/index.ts';

afterEach(() => clearSlot('sample'));

test('a slot is made once and then shared', () => {
  const first = slot('sample', 1, () => ({ made: 1 }));
  expect(slot('sample', 1, () => ({ made: 2 }))).toBe(first);
});

test('a slot made under another contract is refused with a code and the way out', () => {
  slot('sample', 1, () => ({}));
  expect(() => slot('sample', 2, () => ({}))).toThrow(
    expect.objectContaining({ code: 'E_SLOT_CONTRACT', message: expect.stringContaining('npm ls') }),
  );
});

test('a cleared slot is made anew', () => {
  const first = slot('sample', 1, () => ({}));
  clearSlot('sample');
  expect(slot('sample', 1, () => ({}))).not.toBe(first);
});
