import { describe, expect, it, test } from 'vitest';
import { maskAddress, parseAddress, parseAddresses } from '../src/addresses.ts';

describe('an address is read', () => {
  it.each([
    ['ada@example.com', { email: 'ada@example.com' }],
    [' ada@example.com ', { email: 'ada@example.com' }],
    ['Ada Lovelace <ada@example.com>', { name: 'Ada Lovelace', email: 'ada@example.com' }],
    ['"Lovelace, Ada \\"A\\"" <ada@example.com>', { name: 'Lovelace, Ada "A"', email: 'ada@example.com' }],
    ['<ada@example.com>', { email: 'ada@example.com' }],
    ['Żółć 🎉 <a@example.com>', { name: 'Żółć 🎉', email: 'a@example.com' }],
    ["o'neil+tag.x_y@sub.example.co.uk", { email: "o'neil+tag.x_y@sub.example.co.uk" }],
    ['ada@EXAMPLE.com', { email: 'ada@example.com' }],
    ['ada@bücher.example', { email: 'ada@xn--bcher-kva.example' }],
    ['root@localhost', { email: 'root@localhost' }],
    [{ email: 'ada@example.com' }, { email: 'ada@example.com' }],
    [
      { name: 'A, "B" <c>', email: 'ada@example.com' },
      { name: 'A, "B" <c>', email: 'ada@example.com' },
    ],
    [{ name: '', email: 'ada@example.com' }, { email: 'ada@example.com' }],
  ])('%j', (input, expected) => {
    expect(parseAddress(input, 'to')).toEqual(expected);
  });
});

describe('what could name another recipient, or is no address, is refused', () => {
  it.each([
    '',
    'ada',
    'ada@',
    '@example.com',
    'ada@example',
    'ada@example.com, eve@example.com',
    'ada@example.com;eve@example.com',
    'Ada, Eve <eve@example.com>',
    'Ada <ada@example.com> <eve@example.com>',
    'Ada <ada@example.com>, Eve <eve@example.com>',
    'ada@example.com <eve@example.com>',
    'Group: ada@example.com;',
    'ada@example.com (comment)',
    '<@relay.example:ada@example.com>',
    '"ada smith"@example.com',
    'ada@[127.0.0.1]',
    'ada@127.0.0.1',
    'ada@exa mple.com',
    'ada@example.com\r\nBcc: eve@example.com',
    'ada@example.com\nx',
    'ada\0@example.com',
    'Ada\r\nBcc: eve@example.com <ada@example.com>',
    '"Ada\nX" <ada@example.com>',
    'a..b@example.com',
    '.a@example.com',
    'a@-example.com',
    'a@example..com',
    'a@example.com.',
    'a@example.com/x',
    'a@b@example.com',
    'jürgen@example.com',
    `${'a'.repeat(65)}@example.com`,
    `a@${'a'.repeat(64)}.com`,
    `${'n'.repeat(201)} <a@example.com>`,
    { name: 'Ada\r\nBcc: eve@example.com', email: 'ada@example.com' },
    { name: 'Ada\u2028', email: 'ada@example.com' },
    { name: 'Ada', email: 'ada@example.com, eve@example.com' },
    { name: 'Ada', email: 'Eve <eve@example.com>' },
    { name: 5, email: 'ada@example.com' },
    { email: 5 },
    undefined,
    null,
    5,
    ['ada@example.com'],
  ])('%j', (input) => {
    expect(() => parseAddress(input as string, 'cc')).toThrow(
      expect.objectContaining({ code: 'E_EMAIL_ADDRESS', message: expect.stringContaining('"cc" holds') }),
    );
  });
});

test('an address of hostile length is refused at once', () => {
  const started = performance.now();
  const input = `a${' '.repeat(200_000)}b`;
  expect(() => parseAddress(input, 'to')).toThrow(expect.objectContaining({ code: 'E_EMAIL_ADDRESS' }));
  expect(performance.now() - started).toBeLessThan(5_000);
});

test('a list is read one by one', () => {
  expect(parseAddresses(['a@x.com', { email: 'b@x.com' }], 'to').map(({ email }) => email)).toEqual([
    'a@x.com',
    'b@x.com',
  ]);
  expect(parseAddresses(undefined, 'cc')).toEqual([]);
});

test('a log shows the first letter and the domain', () => {
  expect(maskAddress({ name: 'Ada', email: 'ada@example.com' })).toBe('a***@example.com');
});
