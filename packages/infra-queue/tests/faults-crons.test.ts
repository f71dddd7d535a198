import { randomUUID } from 'node:crypto';
import { systemClock } from '@vibeonrails/infra-core';
import { describeWith } from '@vibeonrails/services/vitest';
import { beforeEach, expect, test, vi } from 'vitest';
import { openStore, type Store } from '../src/drivers/bullmq/store.ts';
import { forgetSchedule, startTicker, storedSchedules, storeSchedule } from '../src/drivers/bullmq/ticker.ts';
import type { CronDefinition, Schedule } from '../src/index.ts';
import { bench, collectingLogger } from './bench.ts';
import { type Child, patient, startChild } from './processes.ts';

beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));

const HOUR = 3_600_000;
type Given = Omit<CronDefinition, 'handler'>;

/** The ticks that processes ran of a cron, in order. */
const ticksOf = (children: readonly Child[], name: string): number[] =>
  children
    .flatMap((child) => child.said(`tick ${name} `).map((line) => Number(line.split(' ')[2])))
    .sort((a, b) => a - b);

describeWith('redis', 'crons in processes that come and go', (redis) => {
  const shared = () => {
    const prefix = `t${randomUUID()}`;
    const { queue } = bench({ redis: { url: redis().url }, prefix, timeout: '30s' });
    const env = { REDIS_URL: redis().url, QUEUE_PREFIX: prefix };
    const start = (crons: readonly Given[], more: Record<string, string> = {}): Promise<Child> =>
      startChild('crons.ts', { ...env, ...more, CRONS: JSON.stringify(crons) });
    return { prefix, queue, env, start };
  };

  /** A store of its own, and a schedule to store. */
  const stored = (pattern: string): { store: Store; schedule: Schedule } => {
    const store = openStore({
      redis: { url: redis().url },
      prefix: `t${randomUUID()}`,
      ...{ timeout: 30_000, clock: systemClock, log: collectingLogger([]) },
    });
    const timing = { pattern, timezone: 'UTC', overlap: 'skip' as const };
    return {
      store,
      schedule: { name: 'gone', queue: 'cron', ...timing, catchUp: 1, jitter: 0, attempts: 1 },
    };
  };

  test('make up for what was missed as each asks, once, also for times that the deploy changed', {
    timeout: 120_000,
  }, async () => {
    const { prefix, queue, start } = shared();
    // Half an hour from any tick, so that none comes while this runs.
    const minute = (new Date().getUTCMinutes() + 30) % 60;
    const last = Math.floor((Date.now() - HOUR / 2) / 60_000) * 60_000;
    const missed = [5, 4, 3, 2, 1, 0].map((hours) => last - hours * HOUR);
    const crons = (names: string, at: number): Given[] => [
      { name: `${names}-none`, schedule: `${at} * * * *`, catchUp: 'none' },
      { name: `${names}-latest`, schedule: `${at} * * * *`, catchUp: 'latest' },
      { name: `${names}-all`, schedule: `${at} * * * *`, catchUp: { all: true, max: 4 }, overlap: 'allow' },
    ];
    const [former, bystander] = await Promise.all([
      start([...crons('same', minute), ...crons('moved', minute)]),
      start([{ name: 'other', schedule: '* * * * * *' }]),
    ]);
    former.process.kill('SIGKILL');
    for (const { name } of [...crons('same', 0), ...crons('moved', 0)])
      await redis().command('HSET', `{${prefix}-cron}:cron:infra:next`, name, String(missed[0]));

    // One that does not define them leaves them alone, however often it looks.
    const seen = bystander.said('tick').length;
    await expect.poll(() => bystander.said('tick').length, patient).toBeGreaterThan(seen + 2);
    const before = new Map((await queue.crons()).map(({ name, next }) => [name, next.getTime()]));
    expect(before.get('same-latest')).toBe(missed[0]);
    // It would take their runs and give them back, later each time.
    bystander.process.kill('SIGKILL');

    const moved = (minute + 1) % 60;
    const again = [...crons('same', minute), ...crons('moved', moved)];
    const children = await Promise.all([start(again), start(again), start(again)]);
    const counts = () => again.map(({ name }) => ticksOf(children, name).length);
    await expect.poll(counts, patient).toEqual([0, 1, 4, 0, 1, 4]);
    for (const names of ['same', 'moved']) {
      expect(ticksOf(children, `${names}-latest`)).toEqual(missed.slice(-1));
      expect(ticksOf(children, `${names}-all`)).toEqual(missed.slice(-4));
    }
    await expect
      .poll(async () => (await queue.crons()).filter(({ next }) => next.getTime() < Date.now()), patient)
      .toMatchObject([{ name: 'other' }]);
    const next = new Map((await queue.crons()).map(({ name, next }) => [name, next]));
    expect(next.get('same-none')?.getTime()).toBe(last + HOUR);
    expect(next.get('moved-none')?.getUTCMinutes()).toBe(moved);
    expect(counts()).toEqual([0, 1, 4, 0, 1, 4]);
  });

  test('run at their times, each once, where the clocks of the processes are five minutes off', {
    timeout: 120_000,
  }, async () => {
    const { queue, env, start } = shared();
    const NODE_OPTIONS = `--import=${new URL('fixtures/clock.mjs', import.meta.url)}`;
    const clock = (ahead: number) => ({ NODE_OPTIONS, CLOCK_AHEAD: String(ahead) });
    const everySecond: Given = {
      ...{ name: 'every-second', schedule: '* * * * * *' },
      ...{ catchUp: { all: true }, overlap: 'allow' },
    };
    const children = await Promise.all(
      [-300_000, 300_000].map((ahead) => start([everySecond], clock(ahead))),
    );
    const ticks = () => ticksOf(children, 'every-second');
    await expect.poll(() => ticks().length, patient).toBeGreaterThan(4);
    const seen = ticks();
    expect(seen).toEqual(seen.map((_, i) => (seen[0] ?? 0) + 1000 * i));
    // The clock of the store is trusted but for a second.
    expect(Math.max(...seen)).toBeLessThan(Date.now() + 1100);
    for (const child of children) child.process.kill('SIGKILL');

    const from = Date.now();
    const at = String(from + 60_000);
    const producer = await startChild('producer.ts', { ...env, ...clock(300_000), AT: at });
    const [, later = '', exact = ''] = producer.said('ids')[0]?.split(' ') ?? [];
    const runAt = async (id: string) => (await queue.job(id))?.runAt?.getTime() ?? 0;
    expect(await runAt(later)).toBeGreaterThan(from + 59_000);
    expect(await runAt(later)).toBeLessThan(Date.now() + 61_100);
    expect(Math.abs((await runAt(exact)) - Number(at))).toBeLessThan(1100);
    expect(producer.said('health')[0]).toMatch(
      /^health degraded The clock of this machine is (299|30[01]) s ahead/,
    );
  });

  test('keep the tick they wait for when they are stored again in another form', {
    timeout: 30_000,
  }, async () => {
    const { store, schedule } = stored('0 0 * * *');
    await storeSchedule(store, schedule);
    // A record that its times alone would not give.
    const next = Math.floor(Date.now() / 86_400_000) * 86_400_000 + 5 * 86_400_000;
    await redis().command('HSET', store.keys('cron').key('infra:next'), 'gone', String(next));
    await storeSchedule(store, { ...schedule, overlap: 'queue', jitter: 1000 });
    expect(await storedSchedules(store)).toMatchObject([
      { name: 'gone', overlap: 'queue', jitter: 1000, next },
    ]);
    await storeSchedule(store, { ...schedule, timezone: 'Asia/Tokyo' });
    expect((await storedSchedules(store))[0]?.next).toBeLessThan(Date.now() + 86_400_001);
    await store.close();
  });

  test('have no run made when they are removed as their tick is on its way', {
    timeout: 30_000,
  }, async () => {
    const { store, schedule } = stored('* * * * * *');
    const { key } = store.keys('cron');
    await storeSchedule(store, schedule);
    const due = Math.floor(Date.now() / 1000) * 1000 - 1000;
    await redis().command('HSET', key('infra:next'), 'gone', String(due));
    let looked: Promise<unknown> | undefined;
    /** Removes the schedule once its tick is claimed. */
    const meddling: typeof store.run = (work) => {
      const looking = store.run((access) => {
        const call = async (command: string, ...args: (string | number)[]): Promise<unknown> => {
          const reply = await access.client.call(command, ...args);
          if (command === 'SET') await forgetSchedule(store, 'gone');
          return reply;
        };
        return work({ ...access, client: Object.create(access.client, { call: { value: call } }) });
      });
      looked ??= looking;
      return looking;
    };
    const failures: unknown[] = [];
    const ticker = startTicker(
      { ...store, run: meddling },
      'cron',
      () => true,
      (thrown) => failures.push(thrown),
    );
    await expect.poll(() => looked, patient).toBeDefined();
    await looked;
    ticker.stop();
    const removed = await store.run(({ client }) => client.call('SMEMBERS', key('infra:removed')));
    expect(removed).toEqual(['gone']);
    const keys = (await store.run(({ client }) => client.call('KEYS', key('*')))) as string[];
    const left = [key('prioritized'), key('delayed'), key('wait'), key('de:tick:gone')];
    expect(keys.filter((name) => left.includes(name) || name.includes(':tick.gone.'))).toEqual([]);
    expect(failures).toEqual([]);
    await store.close();
  });
});
