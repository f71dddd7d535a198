import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeWith } from '@vibeonrails/services/vitest';
import { Redis as Redis5 } from 'ioredis5';
import { afterAll, describe, expect, it, test } from 'vitest';
import { type BullmqDriverOptions, bullmqDriver } from '../src/drivers/bullmq.ts';
import { newJob } from '../src/suite/bench.ts';
import { type DriverUnderTest, queueDriverSuite } from '../src/testing.ts';

const week = { count: 1000, age: 7 * 86_400_000 };
const runner = { describe, it: (name: string, fn: () => Promise<void>) => it.concurrent(name, fn, 60_000) };

function make(redis: BullmqDriverOptions['redis'], keep = { completed: week, dead: week }): DriverUnderTest {
  return {
    driver: bullmqDriver({ redis, prefix: `t${randomUUID()}`, timeout: 10_000, keep }),
    pass: async (ms) => void (await sleep(ms)),
  };
}

describeWith('redis', 'on one server', (redis) => {
  queueDriverSuite(runner, 'bullmq', () => make({ url: redis().url }));

  test('keeps the newest ended jobs, and no result of theirs', { timeout: 30_000 }, async () => {
    const keep = { completed: { count: 3, age: 60_000 }, dead: { count: 2, age: 60_000 } };
    const { driver } = make({ url: redis().url }, keep);
    await driver.add(Array.from({ length: 12 }, (_, i) => newJob({ id: `j${i}` })));
    // No two end in one millisecond: which of them is the newest would be left to their ids.
    const consumer = driver.consume('default', 1, async ({ id }) => {
      await sleep(2);
      return Number(id.slice(1)) % 2 === 0 ? { type: 'done' } : { type: 'dead', error: new Error('x') };
    });
    await expect
      .poll(async () => (await driver.stats())[0], { timeout: 10_000 })
      .toMatchObject({
        waiting: 0,
        active: 0,
        completed: 3,
        dead: 2,
      });
    expect((await driver.list({ state: 'completed', limit: 9 })).map(({ id }) => id)).toEqual([
      'j10',
      'j8',
      'j6',
    ]);
    await consumer.close();
    await driver.close();
  });

  test('wakes another worker at once for a job that a stopping one gives back', {
    timeout: 30_000,
  }, async () => {
    const { driver } = make({ url: redis().url });
    let giveBack = (): void => undefined;
    const first = driver.consume('default', 1, async () => {
      await new Promise<void>((resolve) => {
        giveBack = resolve;
      });
      return { type: 'released', delay: 0 };
    });
    await driver.add([newJob({ id: 'a' })]);
    await expect.poll(async () => (await driver.find('a'))?.state, { timeout: 10_000 }).toBe('active');
    const starts: number[] = [];
    const second = driver.consume('default', 1, async ({ starts: count }) => {
      starts.push(count);
      return { type: 'done' };
    });
    // Long enough for the second to find nothing and wait for a sign.
    await sleep(1000);
    await first.stop();
    giveBack();
    await expect.poll(() => starts, { timeout: 2500 }).toEqual([2]);
    await Promise.all([first.close(), second.close()]);
    await driver.close();
  });

  test('hands out nothing once a stop has resolved, whatever was on its way', {
    timeout: 60_000,
  }, async () => {
    const { driver } = make({ url: redis().url });
    let late = 0;
    for (let round = 0; round < 15; round += 1) {
      let seen = 0;
      let stopped = false;
      const consumer = driver.consume('default', 5, async () => {
        seen += 1;
        if (stopped) late += 1;
        return { type: 'done' };
      });
      await driver.add([newJob()]);
      await expect.poll(() => seen, { timeout: 10_000, interval: 1 }).toBeGreaterThan(0);
      const adding = driver.add([newJob(), newJob(), newJob()]);
      await consumer.stop();
      stopped = true;
      await adding;
      await consumer.close();
    }
    expect(late).toBe(0);
    await driver.close();
  });

  test('forgets that a job was cancelled once it has ended, and not before', {
    timeout: 90_000,
  }, async () => {
    const prefix = `t${randomUUID()}`;
    const open = () =>
      bullmqDriver({
        redis: { url: redis().url },
        prefix,
        timeout: 10_000,
        keep: { completed: week, dead: week },
      });
    const [here, elsewhere] = [open(), open()];
    const key = `{${prefix}-default}:default:infra:cancelled`;
    const marked = async (id: string) => Number(await redis().command('SISMEMBER', key, id));
    let die = (): void => undefined;
    const dying = new Promise<void>((resolve) => {
      die = resolve;
    });
    const consumer = here.consume('default', 1, async () => {
      await dying;
      return { type: 'dead', error: new Error('its own') };
    });
    await here.add([newJob({ id: 'a' })]);
    await expect.poll(async () => (await here.find('a'))?.state, { timeout: 20_000 }).toBe('active');
    expect(await elsewhere.cancel('a')).toBe('signalled');
    expect(await marked('a')).toBe(1);
    await here.add([newJob({ id: 'a' })]);
    expect(await marked('a')).toBe(1);
    die();
    await expect.poll(async () => (await here.find('a'))?.state, { timeout: 20_000 }).toBe('dead');
    expect(await marked('a')).toBe(0);
    await consumer.close();
    const finishing = here.consume('default', 1, async ({ id }) => {
      expect(await here.cancel(id)).toBe('signalled');
      return { type: 'done' };
    });
    await here.add([newJob({ id: 'b' })]);
    await expect.poll(async () => (await here.find('b'))?.state, { timeout: 20_000 }).toBe('completed');
    expect(await marked('b')).toBe(0);
    await finishing.close();
    // What came while its end was written.
    await redis().command('SADD', key, 'a', 'n');
    await elsewhere.retry(['a']);
    expect([await marked('a'), await marked('n')]).toEqual([0, 1]);
    await elsewhere.add([newJob({ id: 'n' })]);
    expect(await marked('n')).toBe(0);
    await Promise.all([here.close(), elsewhere.close()]);
  });

  test('runs a job no more that another process cancelled just before it was to wait', {
    timeout: 60_000,
  }, async () => {
    const prefix = `t${randomUUID()}`;
    const keep = { completed: week, dead: week };
    const open = () => bullmqDriver({ redis: { url: redis().url }, prefix, timeout: 10_000, keep });
    const [here, elsewhere] = [open(), open()];
    const consumer = here.consume('default', 5, async ({ id }) => {
      expect(await elsewhere.cancel(id)).toBe('signalled');
      if (id === 'done') return { type: 'done' };
      if (id === 'snoozed') return { type: 'released', delay: 60_000 };
      return { type: 'retry', delay: 60_000, error: new Error('x') };
    });
    const ids = ['snoozed', 'failing', 'done'];
    await here.add(ids.map((id) => newJob({ id })));
    await expect.poll(async () => (await here.stats())[0]?.completed, { timeout: 30_000 }).toBe(3);
    const ends = await Promise.all(ids.map(async (id) => (await here.find(id))?.discarded));
    expect(ends).toEqual(['cancelled', 'cancelled', undefined]);
    await Promise.all([consumer.close(), elsewhere.close()]);
    await here.close();
  });

  test('keeps little of the jobs that were once kept until another had ended', {
    timeout: 60_000,
  }, async () => {
    const prefix = `t${randomUUID()}`;
    const keep = { completed: week, dead: week };
    const driver = bullmqDriver({ redis: { url: redis().url }, prefix, timeout: 10_000, keep });
    const ends: (() => void)[] = [];
    const consumer = driver.consume('default', 50, async ({ payload }) => {
      if (payload === '"first"') await new Promise<void>((resolve) => ends.push(resolve));
      return { type: 'done' };
    });
    const many = (round: number, payload: string) =>
      Array.from({ length: 40 }, (_, i) =>
        newJob({ payload, unique: { key: `${round} ${i}`, onConflict: 'keep-last' } }),
      );
    for (let round = 0; round < 3; round += 1) {
      await driver.add(many(round, '"first"'));
      await expect.poll(() => ends.length, { timeout: 20_000 }).toBe(40);
      await driver.add(many(round, '"kept"'));
      for (const end of ends.splice(0)) end();
      await expect
        .poll(async () => (await driver.stats())[0]?.completed, { timeout: 20_000 })
        .toBe(80 * (round + 1));
    }
    // Of 120, those of the last round and a few more.
    const left = Number(await redis().command('HLEN', `{${prefix}-default}:default:infra:kept`));
    expect(left).toBeLessThan(90);
    await consumer.close();
    await driver.close();
  });

  test('hides what is too old, in a queue where nothing else ends', { timeout: 30_000 }, async () => {
    const short = { count: 100, age: 300 };
    const { driver } = make({ url: redis().url }, { completed: short, dead: short });
    await driver.add([newJob()]);
    const consumer = driver.consume('default', 1, async () => ({ type: 'done' }));
    await expect.poll(async () => (await driver.stats())[0]?.completed, { timeout: 10_000 }).toBe(1);
    await expect.poll(async () => (await driver.stats())[0]?.completed, { timeout: 10_000 }).toBe(0);
    expect(await driver.list({ state: 'completed', limit: 9 })).toEqual([]);
    await consumer.close();
    await driver.close();
  });
});

describeWith('redis-cluster', 'on a cluster of three masters', { masters: 3 }, (cluster) => {
  const hosts = () => cluster().nodes.map(({ host, port }) => `${host}:${port}`);
  queueDriverSuite(runner, 'bullmq', () => make({ url: `redis+cluster://${hosts().join(',')}` }));
});

describeWith('redis', 'on a client of the application, of ioredis 5.11', (redis) => {
  const clients: Redis5[] = [];
  afterAll(() => {
    for (const client of clients) client.disconnect();
  });
  const client = (): Redis5 => {
    const made = new Redis5(redis().url);
    clients.push(made);
    return made;
  };
  queueDriverSuite(runner, 'bullmq', () => make({ client: client() }));

  test('leaves the client open', async () => {
    const mine = client();
    const { driver } = make({ client: mine });
    await driver.add([newJob()]);
    await driver.close();
    expect(await mine.ping()).toBe('PONG');
  });
});
