import { fakeClock } from '@vibeonrails/infra-core/testing';
import { expect, test } from 'vitest';
import { registry } from '../src/definitions.ts';
import { memoryDriver } from '../src/drivers/memory.ts';
import { type CronDefinition, type DefinitionError, defineCron, defineJob } from '../src/index.ts';
import { tickJob } from '../src/schedule.ts';
import { bench, gate } from './bench.ts';

const define = (more: Partial<CronDefinition> = {}) =>
  defineCron({ name: 'nightly', schedule: '0 0 * * *', handler: () => undefined, ...more });

test('a cron runs at its ticks once a worker runs, and is told which tick it runs for', async () => {
  const { queue, clock } = bench();
  const seen: unknown[] = [];
  define({
    schedule: '*/20 * * * *',
    handler: ({ scheduledFor, name, attempt }) => seen.push([scheduledFor, name, attempt]),
  });
  await clock.advance('1h');
  expect(seen).toEqual([]);
  await queue.startWorker();
  await clock.advance('40m');
  expect(seen).toEqual([
    [new Date('2026-01-01T01:20:00Z'), 'nightly', 1],
    [new Date('2026-01-01T01:40:00Z'), 'nightly', 1],
  ]);
});

test('a cron is UTC when nothing is said, and keeps its zone otherwise', async () => {
  const { queue } = bench({ clock: fakeClock(new Date('2026-07-01T12:00:00Z')) });
  define();
  expect(await queue.crons()).toMatchObject([{ timezone: 'UTC', next: new Date('2026-07-02T00:00:00Z') }]);
  define({ timezone: 'Europe/Paris', replace: true });
  expect(await queue.crons()).toMatchObject([{ next: new Date('2026-07-01T22:00:00Z') }]);
});

test.each([
  '0 0 * * *',
  '*/5 * * * * *',
  '@daily',
  '0 0 L * *',
  '0 9 * * MON-FRI',
  '0 9 * * MON#2,WED',
  '0 0 29 2 *',
  '0,30 0-6/2 * jan-mar 7',
  '0 0 * * 5L',
  '0 0 15W * *',
])('takes the schedule %s', async (schedule) => {
  const { queue } = bench();
  define({ schedule });
  expect((await queue.crons())[0]?.next.getTime()).toBeGreaterThan(0);
});

test.each([
  '61 * * * *',
  '* * * *',
  '',
  'hello',
  '0 24 * * *',
  '*/0 * * * *',
  '5-1 * * * *',
  '1-2-3 * * * *',
  '1, * * * *',
  '0 0 * * 8',
  '0 0 0 * *',
  '0 0 * 13 *',
  '0 0 * FOO *',
  '@reboot',
  '@every 5m',
  '0 0 0 * * * 2027',
  '2027-01-01T00:00:00',
  '2027-01-01 00:00 0 0 0',
  undefined,
  42,
])('refuses the schedule %s', (schedule) => {
  expect(() => define({ schedule: schedule as string })).toThrow(/`schedule` .* must be a cron expression/);
});

test.each(['Mars/Olympus', '', 42, 'UTC+99'])('refuses the time zone %s', (timezone) => {
  expect(() => define({ timezone: timezone as string })).toThrow(/`timezone` .* must be an IANA time zone/);
});

test.each([
  ['0 0 31 2 *', 'never fires'],
  ['0 0 * * L', 'is no cron expression'],
])('what only the parser can tell of %s refuses the start of a worker', async (schedule, problem) => {
  const { queue } = bench();
  define({ schedule });
  const refused = { code: 'E_QUEUE_CRON', message: expect.stringContaining(problem) };
  await expect(queue.startWorker()).rejects.toMatchObject(refused);
  await expect(queue.crons()).rejects.toMatchObject(refused);
});

test('both changes of the clock are kept over a real year of ticks', async () => {
  const { queue, clock } = bench();
  const seen: string[] = [];
  define({
    schedule: '30 2 * * *',
    timezone: 'Europe/Paris',
    handler: ({ scheduledFor }) => seen.push(scheduledFor.toISOString().slice(5, 16)),
  });
  await queue.startWorker();
  await clock.advance('365d');
  expect(seen).toHaveLength(365);
  expect(seen.filter((tick) => tick.startsWith('03-29'))).toEqual(['03-29T01:00']);
  expect(seen.filter((tick) => tick.startsWith('10-25'))).toEqual(['10-25T00:30']);
});

test('a tick is dropped while an earlier one runs, and the next one runs again', async () => {
  const { queue, clock } = bench();
  const first = gate();
  let ran = 0;
  define({
    schedule: '* * * * *',
    handler: async () => {
      ran += 1;
      if (ran === 1) await first.opened;
    },
  });
  await queue.startWorker();
  await clock.advance('5m');
  expect(ran).toBe(1);
  first.open();
  await clock.advance('2m');
  expect(ran).toBe(3);
});

test('ticks overlap when that is allowed', async () => {
  const { queue, clock } = bench();
  let running = 0;
  const end = gate();
  define({
    schedule: '* * * * *',
    overlap: 'allow',
    handler: async () => {
      running += 1;
      await end.opened;
    },
  });
  await queue.startWorker();
  await clock.advance('3m');
  expect(running).toBe(3);
  end.open();
});

test('ticks that overlap run one after the other when they are to queue', async () => {
  const { queue, clock } = bench();
  const seen: string[] = [];
  let running = 0;
  const ends: (() => void)[] = [];
  define({
    schedule: '* * * * *',
    overlap: 'queue',
    handler: async ({ scheduledFor }) => {
      running += 1;
      expect(running).toBe(1);
      seen.push(scheduledFor.toISOString().slice(11, 16));
      await new Promise<void>((resolve) => ends.push(resolve));
      running -= 1;
    },
  });
  await queue.startWorker();
  await clock.advance('3m');
  expect(seen).toEqual(['00:01']);
  for (let i = 1; i <= 3; i += 1) {
    await expect.poll(() => ends.length).toBe(i);
    ends[i - 1]?.();
  }
  await expect.poll(async () => (await queue.stats()).completed).toBe(3);
  expect(seen).toEqual(['00:01', '00:02', '00:03']);
});

test('jitter starts a run later than its tick, which it is still told', async () => {
  const { queue, clock } = bench();
  const seen: [number, number][] = [];
  define({
    schedule: '0 * * * *',
    jitter: '30m',
    handler: ({ scheduledFor }) => seen.push([scheduledFor.getTime() % 3_600_000, clock.now() % 3_600_000]),
  });
  await queue.startWorker();
  await clock.advance('5h');
  expect(seen.length).toBeGreaterThanOrEqual(4);
  expect(seen.every(([tick, start]) => tick === 0 && start < 1_800_000)).toBe(true);
  expect(seen.some(([, start]) => start > 0)).toBe(true);
});

test.each([
  [{ catchUp: 'all' as never }, 'catchUp'],
  [{ catchUp: { all: true, max: 0 }, overlap: 'allow' }, 'catchUp'],
  [{ catchUp: { all: true } }, 'catchUp'],
  [{ overlap: 'wait' as never }, 'overlap'],
  [{ jitter: 'x' as never }, 'jitter'],
] as const)('a cron with %o is refused', (more, word) => {
  expect(() => define(more)).toThrow(new RegExp(`\`${word}\` .*must`));
});

test('a cron that fails is kept among the dead, and the next tick runs', async () => {
  const { queue, clock } = bench();
  let ran = 0;
  define({
    schedule: '0 * * * *',
    handler: () => {
      ran += 1;
      throw new Error('x');
    },
  });
  await queue.startWorker();
  await clock.advance('2h');
  expect(ran).toBe(2);
  expect(await queue.dead()).toMatchObject([{ name: 'nightly', queue: 'cron' }, { name: 'nightly' }]);
  expect(await queue.retryDead()).toBe(2);
  await clock.advance(0);
  expect(ran).toBe(4);
});

test('a cron with retries and a timeout is tried again', async () => {
  const { queue, clock } = bench();
  const seen: number[] = [];
  define({
    retries: 1,
    timeout: '10s',
    handler: async ({ attempt, signal }) => {
      seen.push(attempt);
      if (attempt === 1) await new Promise((_resolve, reject) => signal.addEventListener('abort', reject));
    },
  });
  await queue.startWorker();
  await clock.advance('25h');
  expect(seen).toEqual([1, 2]);
});

test('a cron defined after the worker started is scheduled too', async () => {
  const { queue, clock } = bench();
  let ran = 0;
  await queue.startWorker();
  define({ handler: () => (ran += 1) });
  await clock.advance('1d');
  expect(ran).toBe(1);
});

test('a cron and a job may share a name', async () => {
  const { queue, clock } = bench();
  const ran: string[] = [];
  define({ handler: () => ran.push('cron') });
  const { z } = await import('zod');
  const job = defineJob({ name: 'nightly', schema: z.string(), handler: () => ran.push('job') });
  await queue.enqueue(job, 'x');
  await queue.startWorker();
  await clock.advance('1d');
  expect(ran).toEqual(['job', 'cron']);
});

test('a worker without crons neither schedules nor runs them', async () => {
  const { queue, clock } = bench();
  let ran = 0;
  define({ handler: () => (ran += 1) });
  await queue.startWorker({ crons: false });
  await clock.advance('2d');
  expect(ran).toBe(0);
});

test('crons are listed with their next run, whether scheduled, and whether any code defines them', async () => {
  const { queue, clock } = bench();
  define();
  const listed = {
    name: 'nightly',
    schedule: '0 0 * * *',
    timezone: 'UTC',
    next: new Date('2026-01-02T00:00:00Z'),
  };
  expect(await queue.crons()).toEqual([{ ...listed, scheduled: false, defined: true }]);
  await queue.startWorker();
  expect(await queue.crons()).toEqual([{ ...listed, scheduled: true, defined: true }]);
  await clock.advance('1d');
  expect((await queue.crons())[0]?.next).toEqual(new Date('2026-01-03T00:00:00Z'));
  const { clearSlot } = await import('@vibeonrails/infra-core');
  clearSlot('queue.registry');
  expect((await queue.crons())[0]).toMatchObject({ scheduled: true, defined: false });
  expect(await queue.removeCron('nightly')).toBe(true);
  expect(await queue.crons()).toEqual([]);
});

test('a run that nobody here knows is offered again soon at first, and right away every second time', async () => {
  const { queue, clock, lines } = bench();
  define();
  await queue.startWorker();
  const { clearSlot } = await import('@vibeonrails/infra-core');
  clearSlot('queue.registry');
  await clock.advance('1d');
  await clock.advance('5m');
  const offers = lines.filter(({ message }) => /goes back to its queue/.test(message));
  const fast = [100, 50, 200, 50, 400, 50, 800, 50, 1600, 50, 3200, 50, 5000, 50, 5000];
  expect(offers.map(({ delay }) => delay).slice(0, fast.length)).toEqual(fast);
  expect(offers.map(({ level }) => level).slice(0, 8)).toEqual([...Array(6).fill('debug'), 'warn', 'debug']);
});

test('a definition that cannot work names every problem at once', () => {
  const wrong = {
    name: '',
    schedule: '61 * * * *',
    handler: 5,
    timezone: 'Mars',
    overlap: 'wait',
    retries: 0.5,
    timeout: 'x',
  };
  let error: DefinitionError | undefined;
  try {
    defineCron(wrong as never);
  } catch (thrown) {
    error = thrown as DefinitionError;
  }
  expect(error).toMatchObject({ code: 'E_QUEUE_CRON' });
  for (const word of Object.keys(wrong))
    expect(error?.problems.filter((problem) => problem.startsWith(`\`${word}\``))).toHaveLength(1);
  expect(error?.message).toMatch(/which has no "61" for the minute/);
});

test('a second cron of a name is refused', () => {
  define();
  expect(() => define()).toThrow(expect.objectContaining({ code: 'E_QUEUE_DUPLICATE' }));
});

test('a run of a cron that no code knows any more ends with its schedule, or after a day', async () => {
  const { queue, clock, lines } = bench();
  define({ schedule: '0 0 * * *', jitter: '1h' });
  define({ name: 'gone', schedule: '0 0 * * *', jitter: '1h' });
  await queue.startWorker();
  await clock.advance('24h');
  expect((await queue.stats()).delayed).toBe(2);
  registry().crons.clear();
  await clock.advance('1h');
  expect((await queue.stats()).delayed).toBe(2);
  expect(await queue.removeCron('gone')).toBe(true);
  expect((await queue.stats()).delayed).toBe(1);
  await clock.advance('22h');
  expect(await queue.jobs({ state: 'completed' })).toEqual([]);
  await clock.advance('2h');
  expect(await queue.jobs({ state: 'completed' })).toMatchObject([
    { name: 'nightly', discarded: 'no worker has known its cron for a day' },
  ]);
  expect(lines.filter(({ message }) => message.startsWith('the run is given up'))).toHaveLength(1);
});

test('a run of a removed cron that is on its way when that happens ends at once', async () => {
  const keep = { count: 10, age: 86_400_000 };
  const driver = memoryDriver({ clock: fakeClock(), keep: { completed: keep, dead: keep } });
  const { queue } = bench({ driver });
  define({ name: 'another' });
  await queue.startWorker();
  const timing = { pattern: '0 0 * * *', timezone: 'UTC', overlap: 'allow' as const };
  await driver.add([
    tickJob({ name: 'gone', queue: 'cron', ...timing, catchUp: 1, jitter: 0, attempts: 1 }, 0),
  ]);
  await expect
    .poll(() => queue.jobs({ state: 'completed' }))
    .toMatchObject([{ name: 'gone', discarded: 'its cron was removed' }]);
});
