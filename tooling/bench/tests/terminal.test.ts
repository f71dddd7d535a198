import { expect, test } from 'vitest';
import { figure, readCommand, table, UsageError } from '../src/terminal.ts';

test('a figure shows four digits that count', () => {
  expect([0.12345, 1.23456, 12.3456, 1234.56, 1_234_567, 0, null].map(figure)).toEqual([
    '0.123',
    '1.235',
    '12.35',
    '1,235',
    '1,234,567',
    '0',
    '–',
  ]);
});

test('the columns of a table line up', () => {
  expect(
    table([
      ['a', 'long head'],
      ['wide cell', 'x'],
    ]),
  ).toBe('a          long head\n─────────  ─────────\nwide cell  x');
});

test('the separator that package managers pass along is no argument', () => {
  expect(readCommand(['--', 'core', '--json'], [])).toEqual({
    module: 'core',
    json: true,
    help: false,
    options: {},
  });
});

test('an option without its value is a wrong command line', () => {
  expect(() => readCommand(['core', '--seed'], ['seed'])).toThrow(UsageError);
});
