import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { bool, defineConfig, duration, int, list, oneOf, secret, text, url } from '../src/index.ts';

const read = (schema: Parameters<typeof defineConfig>[0][string], value: string | undefined): unknown =>
  defineConfig({ X: schema }).read({ X: value }).X;

test.each([
  [text(), 'hello', 'hello'],
  [secret({ minLength: 4 }), 'four', 'four'],
  [int(), '-12', -12],
  [int({ min: 1, max: 10 }), '10', 10],
  [bool(), 'TRUE', true],
  [bool(), 'on', true],
  [bool(), '1', true],
  [bool(), 'No', false],
  [bool(), 'off', false],
  [oneOf(['a', 'b']), 'b', 'b'],
  [url(), 'https://example.com/a?b', 'https://example.com/a?b'],
  [url({ protocols: ['redis', 'rediss'] }), 'REDISS://host:6380/1', 'REDISS://host:6380/1'],
  [duration(), '30s', 30_000],
  [duration(), '250', 250],
  [list(), ' a, b ,,c ', ['a', 'b', 'c']],
])('%# reads what it is for', (schema, value, expected) => {
  expect(read(schema, value)).toEqual(expected);
});

test.each([
  [secret({ minLength: 4 }), 'abc', 'a secret of 4 characters or more'],
  [int(), '1.5', 'a whole number'],
  [int(), '0x10', 'a whole number'],
  [int(), '9007199254740993', 'a whole number'],
  [int({ min: 1 }), '0', 'a whole number of 1 or more'],
  [int({ max: 5 }), '6', 'a whole number up to 5'],
  [int({ min: 1, max: 5 }), '6', 'a whole number of 1 or more and up to 5'],
  [bool(), 'maybe', 'true or false'],
  [oneOf(['a', 'b']), 'A', 'one of a, b'],
  [url(), 'localhost:6379', 'a URL such as https://example.com'],
  [url(), 'http://', 'a URL such as https://example.com'],
  [url({ protocols: ['redis', 'rediss'] }), 'http://host', 'a URL that starts with redis:// or rediss://'],
  [url({ protocols: ['redis'] }), 'redis:host', 'a URL that starts with redis://'],
  [duration(), 'soon', "a duration such as '500ms', '30s' or '5m'"],
  [list(), ' , ', 'a comma-separated list'],
])('%# refuses another form and says what it expects', (schema, value, form) => {
  expect(() => read(schema, value)).toThrow(`expected ${form}.`);
});

test('a variable that is not set takes its default, is undefined when optional, and is missing otherwise', () => {
  expect(read(int({ default: 0 }), undefined)).toBe(0);
  expect(read(bool({ default: false }), undefined)).toBe(false);
  expect(read(duration({ default: '5m' }), undefined)).toBe(300_000);
  expect(read(text({ optional: true }), undefined)).toBeUndefined();
  expect(() => read(text(), undefined)).toThrow('X (application) is not set: expected a text.');
});

test('a default that is no duration is refused where it is declared', () => {
  expect(() => duration({ default: 'soon' as never })).toThrow(
    expect.objectContaining({ code: 'E_DURATION' }),
  );
});

test('types follow the readers: a value, or undefined where the variable is optional without a default', () => {
  const values = defineConfig({
    A: int({ default: 1 }),
    B: text({ optional: true }),
    C: oneOf(['x', 'y']),
    D: duration({ optional: true, default: '1s' }),
    E: z.coerce.number(),
  });
  expectTypeOf(values.read).returns.toEqualTypeOf<{
    readonly A: number;
    readonly B: string | undefined;
    readonly C: 'x' | 'y';
    readonly D: number;
    readonly E: number;
  }>();
});
