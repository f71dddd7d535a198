import { expect, test } from 'vitest';
import { nextTick } from '../src/schedule.ts';

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
