import { expect, test } from 'vitest';
import type { Schedule } from '../src/index.ts';
import { dueTicks, nextTick, tickJob } from '../src/schedule.ts';

function ticks(pattern: string, timezone: string, after: string, count: number): string[] {
  const found: string[] = [];
  for (let at: number | undefined = Date.parse(after); found.length < count; ) {
    at = nextTick({ pattern, timezone }, at ?? Number.NaN);
    found.push(new Date(at ?? Number.NaN).toISOString().replace(':00.000Z', 'Z'));
  }
  return found;
}

test('a time that summer time leaves out fires once, right after the gap', () => {
  expect(ticks('30 2 * * *', 'Europe/Paris', '2026-03-28T00:00:00Z', 3)).toEqual([
    '2026-03-28T01:30Z',
    '2026-03-29T01:00Z',
    '2026-03-30T00:30Z',
  ]);
  expect(ticks('30 2 * * *', 'America/New_York', '2026-03-07T12:00:00Z', 2)).toEqual([
    '2026-03-08T07:00Z',
    '2026-03-09T06:30Z',
  ]);
});

test('a time that comes twice in autumn fires once, the first time', () => {
  expect(ticks('30 1 * * *', 'Europe/London', '2026-10-24T12:00:00Z', 2)).toEqual([
    '2026-10-25T00:30Z',
    '2026-10-26T01:30Z',
  ]);
  expect(ticks('30 1 * * *', 'America/New_York', '2026-10-31T12:00:00Z', 2)).toEqual([
    '2026-11-01T05:30Z',
    '2026-11-02T06:30Z',
  ]);
});

test('an interval goes on evenly over both changes', () => {
  expect(ticks('30 * * * *', 'Europe/Paris', '2026-03-29T00:00:00Z', 3)).toEqual([
    '2026-03-29T00:30Z',
    '2026-03-29T01:30Z',
    '2026-03-29T02:30Z',
  ]);
  expect(ticks('*/30 * * * *', 'Europe/London', '2026-10-25T00:00:00Z', 4)).toEqual([
    '2026-10-25T00:30Z',
    '2026-10-25T01:00Z',
    '2026-10-25T01:30Z',
    '2026-10-25T02:00Z',
  ]);
});

test('a midnight that does not exist is kept', () => {
  expect(ticks('0 0 * * *', 'America/Sao_Paulo', '2018-11-03T12:00:00Z', 2)).toEqual([
    '2018-11-04T03:00Z',
    '2018-11-05T02:00Z',
  ]);
});

test('a tick comes after the time asked for, never at it', () => {
  expect(ticks('* * * * *', 'UTC', '2026-01-01T00:00:00Z', 2)).toEqual([
    '2026-01-01T00:01Z',
    '2026-01-01T00:02Z',
  ]);
});

test('either the day of the month or the weekday is enough, as in cron', () => {
  expect(ticks('0 0 13 * 5', 'UTC', '2026-01-01T12:00:00Z', 3)).toEqual([
    '2026-01-02T00:00Z',
    '2026-01-09T00:00Z',
    '2026-01-13T00:00Z',
  ]);
});

const schedule = (more: Partial<Schedule> = {}): Schedule => ({
  ...{ name: 'nightly', queue: 'cron', pattern: '0 * * * *', timezone: 'UTC', overlap: 'allow' },
  ...{ catchUp: 1, jitter: 0, attempts: 1 },
  ...more,
});
const at = (text: string): number => Date.parse(`2026-01-01T${text}Z`);

test('a tick that is due makes one job, and the next is waited for', () => {
  expect(dueTicks(schedule(), at('01:00'), at('01:00'))).toEqual({ ticks: [at('01:00')], next: at('02:00') });
  expect(dueTicks(schedule({ catchUp: 0 }), at('01:00'), at('01:00:20'))).toEqual({
    ticks: [at('01:00')],
    next: at('02:00'),
  });
});

test.each([
  [0, []],
  [1, ['05:00']],
  [3, ['03:00', '04:00', '05:00']],
  [100, ['01:00', '02:00', '03:00', '04:00', '05:00']],
])('of five ticks that passed, %i are made up for', (catchUp, expected) => {
  const due = dueTicks(schedule({ catchUp }), at('01:00'), at('05:30'));
  expect(due).toEqual({ ticks: expected.map(at), next: at('06:00') });
});

test('a year of seconds is caught up with at once', () => {
  const year = 365 * 86_400_000;
  const every = schedule({ pattern: '* * * * * *', catchUp: 2 });
  const now = at('00:00') + year;
  const started = performance.now();
  expect(dueTicks(every, at('00:00'), now)).toEqual({ ticks: [now - 1000, now], next: now + 1000 });
  expect(performance.now() - started).toBeLessThan(5000);
});

test('a rare tick is found behind a long time without any', () => {
  const leap = schedule({ pattern: '0 0 29 2 *' });
  expect(dueTicks(leap, Date.parse('2028-02-29'), Date.parse('2031-06-01')).ticks).toEqual([
    Date.parse('2028-02-29'),
  ]);
});

test('jitter is one for each tick, within its bound, and spread over it', () => {
  const spread = schedule({ jitter: 60_000 });
  const delays = Array.from({ length: 200 }, (_, i) => tickJob(spread, i * 3_600_000).delay);
  expect(tickJob(spread, 3_600_000).delay).toBe(delays[1]);
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...delays)).toBeLessThan(60_000);
  const quarters = [0, 1, 2, 3].map((q) => delays.filter((delay) => Math.floor(delay / 15_000) === q).length);
  expect(Math.min(...quarters)).toBeGreaterThan(25);
});
