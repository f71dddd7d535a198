import { describe, expect, it } from 'vitest';
import { decode, encode } from '../src/codec.ts';

const roundTrip = (value: unknown): unknown => decode(encode(value));

describe('the codec gives back what it was given', () => {
  it.each([
    ['null', null],
    ['a text with marks and escapes', '"~d" __proto__ \\u005f \u0000 ☃ \ud83d\ude00'],
    [
      'numbers JSON has no form for',
      [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e300],
    ],
    ['a big integer', 123456789012345678901234567890n],
    ['a date, also an invalid one', [new Date(0), new Date(Number.NaN)]],
    ['undefined inside a value', { a: undefined, b: [undefined] }],
    [
      'a map with objects as keys',
      new Map<unknown, unknown>([
        [{ a: 1 }, new Set([1n])],
        ['x', new Map()],
      ]),
    ],
    ['keys that look like marks', { '~d': 0, '~~d': 1, '~': 2, nested: { '~i': '5' } }],
    ['one key that looks like a mark', { '~d': 0 }],
    ['a key called constructor', { constructor: 1, toString: 'x' }],
    ['deep nesting', Array.from({ length: 500 }).reduce<unknown>((inner) => ({ inner }), 'core')],
  ])('%s', (_, value) => {
    expect(roundTrip(value)).toEqual(value);
  });

  it('keeps bytes', () => {
    expect(Buffer.from([0, 255, 10]).equals(roundTrip(new Uint8Array([0, 255, 10])) as Buffer)).toBe(true);
  });

  it('keeps minus zero apart from zero', () => {
    expect(Object.is(roundTrip(-0), -0)).toBe(true);
  });
});

it('uses toJSON of an object that has one', () => {
  expect(roundTrip({ url: new URL('http://a/b') })).toEqual({ url: 'http://a/b' });
});

it('drops an own key called __proto__ at both ends, so that no prototype changes', () => {
  const hostile = JSON.parse('{"__proto__":{"admin":true},"a":{"__proto__":{"admin":true}}}');
  for (const read of [
    roundTrip(hostile),
    decode(JSON.stringify(hostile)),
    decode('{"a":{},"\\u005f_proto__":{"admin":true}}'),
  ]) {
    expect(Object.hasOwn(read as object, '__proto__')).toBe(false);
    expect((read as { admin?: boolean }).admin).toBeUndefined();
    expect((read as { a: { admin?: boolean } }).a.admin).toBeUndefined();
  }
});

it.each([
  ['a function', { user: { fn: () => 1 } }, 'user.fn'],
  ['a symbol', [Symbol('s')], '[0]'],
  ['a promise', { later: Promise.resolve(1) }, 'later'],
])('refuses %s and says where', (_, value, path) => {
  expect(() => encode(value)).toThrow(expect.objectContaining({ code: 'E_CACHE_VALUE' }));
  expect(() => encode(value)).toThrow(path);
});

it('refuses a value that contains itself, and accepts one that is merely used twice', () => {
  const loop: { self?: unknown } = {};
  loop.self = { again: loop };
  expect(() => encode(loop)).toThrow('contains itself at self.again');
  const shared = { a: 1 };
  expect(roundTrip([shared, shared])).toEqual([shared, shared]);
});
