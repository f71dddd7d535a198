import { expect, test } from 'vitest';
import { extract, type InfraContext, inject, runWithContext } from '../src/index.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const good = `00-${traceId}-${spanId}-01`;
const full: InfraContext = {
  trace: { traceId, spanId, sampled: true, state: 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE' },
  requestId: 'req-1',
  baggage: { userId: 'Amélie', 'key with blank': 'a=b;c,d' },
};

test('a context survives a journey through headers', () => {
  const carrier = inject({}, full);
  expect(carrier).toEqual({
    traceparent: good,
    tracestate: full.trace?.state,
    'x-request-id': 'req-1',
    baggage: 'userId=Am%C3%A9lie,key%20with%20blank=a%3Db%3Bc%2Cd',
  });
  expect(extract(carrier)).toEqual(full);
  expect(extract(new Headers(carrier as Record<string, string>))).toEqual(full);
});

test('the current context is written into Headers as well', () => {
  const headers = runWithContext(full, () => inject(new Headers({ accept: '*/*' })));
  expect(headers.get('traceparent')).toBe(good);
  expect(headers.get('accept')).toBe('*/*');
});

test('an empty context writes nothing', () => {
  expect(inject({})).toEqual({});
});

test('an unsampled trace stays unsampled', () => {
  const trace = { traceId, spanId, sampled: false };
  expect(inject({}, { trace })).toEqual({ traceparent: `00-${traceId}-${spanId}-00` });
  expect(extract({ traceparent: `00-${traceId}-${spanId}-fe` }).trace).toEqual(trace);
});

test.each([
  ['01', true],
  ['03', true],
  ['ff', true],
  ['00', false],
  ['02', false],
])('of the flags %s the lowest bit alone says whether the trace is sampled: %s', (flags, sampled) => {
  const traceparent = `00-${traceId}-${spanId}-${flags}`;
  expect(extract({ traceparent }).trace).toEqual({ traceId, spanId, sampled });
});

test.each([`  ${good}\t`, `cc-${traceId}-${spanId}-01`, `cc-${traceId}-${spanId}-01-what-the-future-brings`])(
  'the traceparent %o is accepted',
  (traceparent) => {
    expect(extract({ traceparent }).trace).toEqual({ traceId, spanId, sampled: true });
  },
);

test.each([
  '',
  'nonsense',
  `${good}-more`,
  `ff-${traceId}-${spanId}-01`,
  `cc-${traceId}-${spanId}-01.more`,
  `00-${'0'.repeat(32)}-${spanId}-01`,
  `00-${traceId}-${'0'.repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  `00-${traceId}-${spanId}-1`,
  `00-${traceId}0-${spanId}-01`,
  `00-${traceId}-${spanId}-01\n`.repeat(2),
  [good, good],
])('the traceparent %o means a new trace', (traceparent) => {
  expect(extract({ traceparent }).trace).toBeUndefined();
});

test.each([
  ['a=1, b=2', 'a=1,b=2'],
  ['a=1,,b=2', 'a=1,b=2'],
  [['a=1', 'b=2'], 'a=1,b=2'],
  ['1a@vendor=x y', '1a@vendor=x y'],
  ['A=1', undefined],
  ['a=1,b', undefined],
  ['a=1\r\nset-cookie: x', undefined],
  [Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(','), undefined],
])('of the tracestate %o remains %o, whatever it is the trace stays', (tracestate, state) => {
  const { trace } = extract({ traceparent: good, tracestate });
  expect(trace?.state).toBe(state);
  expect(trace?.traceId).toBe(traceId);
});

test('a tracestate without a trace is dropped', () => {
  expect(extract({ tracestate: 'a=1' })).toEqual({});
});

test.each([
  ['a=1,b=2', { a: '1', b: '2' }],
  [' a = 1 ;prop=x, b=%20', { a: '1', b: ' ' }],
  ['a=1,broken,=2,%=3,b=%zz,c=', { a: '1', c: '' }],
  ['a=b=c', { a: 'b=c' }],
  ['', undefined],
  [',,;;', undefined],
  ['x'.repeat(9000), undefined],
])('the baggage %o reads as %o', (baggage, expected) => {
  expect(extract({ baggage }).baggage).toEqual(expected);
});

test('baggage cannot reach a prototype', () => {
  const { baggage } = extract({ baggage: '__proto__=polluted,constructor=x' });
  expect({ ...baggage }).toHaveProperty('constructor', 'x');
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  expect(inject({}, { baggage: baggage ?? {} })).toEqual({ baggage: '__proto__=polluted,constructor=x' });
});

test.each(['with blank', 'línea', 'two\r\nlines', 'x'.repeat(201), ''])(
  'the request id %o is neither read nor written',
  (requestId) => {
    expect(extract({ 'x-request-id': requestId })).toEqual({});
    expect(inject({}, { requestId })).toEqual({});
  },
);

test('a trace that could not be read back is not written', () => {
  const bad = [
    { traceId: 'x', spanId, sampled: true },
    { traceId, spanId: '0'.repeat(16), sampled: true },
  ];
  for (const trace of bad) expect(inject({}, { trace })).toEqual({});
  const state = 'a=1\r\nset-cookie: x';
  expect(inject({}, { trace: { traceId, spanId, sampled: true, state } })).toEqual({ traceparent: good });
});

test('baggage that has no encoding, or is too much of it, is left out', () => {
  expect(inject({}, { baggage: { a: '1', b: '\ud800', '': 'x' } })).toEqual({ baggage: 'a=1' });
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, 'v']));
  expect(Object.keys(extract(inject({}, { baggage: many })).baggage ?? {})).toHaveLength(64);
  const large = inject({}, { baggage: { big: 'x'.repeat(8190), small: '1' } });
  expect(large).toEqual({ baggage: 'small=1' });
});

test('random headers never throw, and what they give can be sent on', () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed % below;
  };
  const alphabet = `${good}=,;%-_ \t"\\éÿ\u0000\r\n;a=1;b=%41`;
  const noise = (): string =>
    Array.from({ length: random(90) }, () => alphabet[random(alphabet.length)]).join('');
  const mutated = (): string => {
    const at = random(good.length);
    return good.slice(0, at) + noise().slice(0, random(3)) + good.slice(at + random(3));
  };
  for (let i = 0; i < 5000; i += 1) {
    const context = extract({
      traceparent: mutated(),
      tracestate: noise(),
      baggage: noise(),
      'x-request-id': noise(),
    });
    const headers = inject(new Headers(), context);
    expect(extract(headers)).toEqual(context);
  }
});
