import assert from 'node:assert/strict';
import type { DriverJob, Gate, NewJob, Outcome, QueueDriver } from '../driver.ts';
import { done, gate, newJob, type Test } from './bench.ts';

/** A handler behind a gate. */
const behind =
  (driver: QueueDriver, gateOf: (job: DriverJob) => Gate, work: (job: DriverJob) => Promise<Outcome>) =>
  async (job: DriverJob): Promise<Outcome> => {
    const parked = gateOf(job);
    const delay = await driver.enter(job, parked);
    return delay === 0 ? work(job) : { type: 'released', delay, parked };
  };

/** What runs at once, and what starts how often. */
export function gates(test: Test): void {
  test('runs no more jobs of a key at once than it may, lets other keys ahead, and goes on when one ends', async ({
    driver,
    serve,
    until,
  }) => {
    const ends = new Map<string, () => void>();
    const seen: string[] = [];
    let most = 0;
    const gateOf = ({ payload }: DriverJob): Gate => ({ concurrency: { key: payload, limit: 2 } });
    const busy = new Set<string>();
    serve(
      behind(driver, gateOf, async ({ id, payload }) => {
        seen.push(id);
        if (payload === '"a"') busy.add(id);
        most = Math.max(most, busy.size);
        const end = gate();
        ends.set(id, end.open);
        await end.opened;
        busy.delete(id);
        return done;
      }),
      3,
    );
    const ids = ['a1', 'a2', 'a3', 'a4', 'a5', 'b1'];
    await driver.add(ids.map((id) => newJob({ id, payload: JSON.stringify(id[0]) })));
    await until(() => seen.length === 3, 'two of the first key and one of the other run');
    assert.ok(seen.includes('b1'));
    ends.get(seen.find((id) => id !== 'b1') ?? '')?.();
    await until(() => seen.length === 4, 'the next one starts');
    ends.get('b1')?.();
    for (let i = 0; i < ids.length; i += 1) {
      for (const open of ends.values()) open();
      const count = Math.min(ids.length, seen.length + 1);
      await until(() => seen.length >= count, 'another one starts');
    }
    for (const open of ends.values()) open();
    await until(async () => (await driver.stats())[0]?.completed === ids.length, 'all complete');
    assert.equal(most, 2);
    assert.equal(new Set(seen).size, ids.length);
  });
  test('gives the place of a job that waits between attempts to another', async ({
    driver,
    serve,
    until,
  }) => {
    const seen: string[] = [];
    const one: Gate = { concurrency: { key: 'k', limit: 1 } };
    serve(
      behind(
        driver,
        () => one,
        async ({ id, attempt }) => {
          seen.push(id);
          return id === 'a' && attempt === 1 ? { type: 'retry', delay: 60_000, error: new Error('x') } : done;
        },
      ),
    );
    await driver.add([newJob({ id: 'a' }), newJob({ id: 'b' })]);
    await until(async () => (await driver.find('b'))?.state === 'completed', 'the other completes');
    assert.deepEqual(seen.toSorted(), ['a', 'b']);
  });
  test('starts no more jobs of a key in a window than it may, each at no cost of attempts', async ({
    driver,
    serve,
    until,
  }) => {
    const attempts: number[] = [];
    const rate = { key: 'k', limit: 2, per: 500 };
    serve(
      behind(
        driver,
        () => ({ rate }),
        async ({ attempt }) => {
          attempts.push(attempt);
          return done;
        },
      ),
    );
    await driver.add(Array.from({ length: 6 }, () => newJob()));
    await until(async () => (await driver.stats())[0]?.completed === 6, 'all complete');
    assert.deepEqual(attempts, [1, 1, 1, 1, 1, 1]);
    const ended = await driver.list({ state: 'completed', limit: 10 });
    const starts = ended.map(({ startedAt = 0 }) => startedAt);
    // Three windows: the whole of the second lies between the first start and the last.
    assert.ok(Math.max(...starts) - Math.min(...starts) >= rate.per);
  });
  test('lets as many others of a key start as end at the same time', async ({ driver, serve, until }) => {
    const limit = 4;
    let ends: (() => void)[] = [];
    let seen = 0;
    serve(
      behind(
        driver,
        () => ({ concurrency: { key: 'k', limit } }),
        async () => {
          const end = gate();
          ends.push(end.open);
          seen += 1;
          await end.opened;
          return done;
        },
      ),
      20,
    );
    await driver.add(Array.from({ length: 4 * limit }, () => newJob()));
    for (let round = 1; round <= 4; round += 1) {
      // Sooner than any of them tries again by itself.
      await until(() => seen === round * limit, `round ${round} starts in full`);
      await until(
        async () => (await driver.stats())[0]?.delayed === (4 - round) * limit,
        'the others are parked',
      );
      const ending = ends;
      ends = [];
      for (const end of ending) end();
    }
    await until(async () => (await driver.stats())[0]?.completed === 4 * limit, 'all complete');
  });
  test('leaves a job in peace that was parked and then meets the rate', async ({
    driver,
    serve,
    until,
    pass,
  }) => {
    const both: Gate = {
      concurrency: { key: 'k', limit: 1 },
      rate: { key: 'k', limit: 1, per: 30 * 86_400_000 },
    };
    const end = gate();
    let tries = 0;
    serve(
      behind(
        driver,
        () => {
          tries += 1;
          return both;
        },
        async () => {
          await end.opened;
          return done;
        },
      ),
    );
    await driver.add([newJob(), newJob(), newJob()]);
    await until(async () => (await driver.stats())[0]?.delayed === 2, 'two are parked');
    end.open();
    await until(async () => (await driver.stats())[0]?.completed === 1, 'the first completes');
    await until(() => tries >= 5, 'the others meet the rate');
    await pass(1000);
    // One and two times two, and what came between.
    assert.ok(tries <= 12, `${tries} tries`);
  });
  test('starts no more in a window than it may when the windows of many have passed', async ({
    driver,
    serve,
    until,
    pass,
  }) => {
    const rate = { key: 'k', limit: 2, per: 400 };
    serve(
      behind(
        driver,
        () => ({ rate }),
        async () => done,
      ),
    );
    const jobs = Array.from({ length: 16 }, () => newJob());
    await driver.add(jobs);
    await until(async () => {
      const counts = (await driver.stats())[0];
      return counts?.waiting === 0 && counts.active === 0;
    }, 'each has a window');
    await driver.pause('default');
    await pass(5000);
    const before = new Set((await driver.list({ state: 'completed', limit: 20 })).map(({ id }) => id));
    await driver.resume('default');
    await pass(2000);
    await until(async () => (await driver.stats())[0]?.completed === jobs.length, 'all complete');
    const starts = (await driver.list({ state: 'completed', limit: 20 }))
      .filter(({ id }) => !before.has(id))
      .map(({ startedAt = 0 }) => startedAt);
    // The first and the last window may be cut short; one more, as a job is handed out before it is let in.
    const windows = Math.ceil(starts.length / rate.limit) - 3;
    assert.ok(Math.max(...starts) - Math.min(...starts) >= windows * rate.per);
  });
  test('starts a job at once when the windows of its key have become longer', async ({
    driver,
    serve,
    until,
  }) => {
    let per = 300;
    serve(
      behind(
        driver,
        () => ({ rate: { key: 'k', limit: 2, per } }),
        async () => done,
      ),
    );
    await driver.add([newJob()]);
    await until(async () => (await driver.stats())[0]?.completed === 1, 'the first completes');
    per = 3_600_000;
    await driver.add([newJob()]);
    await until(async () => (await driver.stats())[0]?.completed === 2, 'the second does');
  });
  test('lets those that wait for a place run by priority and as they came, whoever comes while one is on its way', async ({
    driver,
    serve,
    until,
  }) => {
    const seen: string[] = [];
    const end = gate();
    serve(
      behind(
        driver,
        () => ({ concurrency: { key: 'k', limit: 1 } }),
        async ({ id }) => {
          seen.push(id);
          if (id === 'first') await end.opened;
          return done;
        },
      ),
      2,
    );
    const delayed = async (count: number): Promise<boolean> => (await driver.stats())[0]?.delayed === count;
    await driver.add([newJob({ id: 'first' })]);
    await until(() => seen.length === 1, 'the first runs');
    for (const [i, id] of ['e', 'd', 'c'].entries()) {
      await driver.add([newJob({ id })]);
      await until(() => delayed(i + 1), `${id} is parked`);
    }
    await driver.pause('default');
    end.open();
    await until(async () => (await driver.find('first'))?.state === 'completed', 'the first completes');
    await driver.add([newJob({ id: 'normal' }), newJob({ id: 'high', priority: 'high' })]);
    await driver.resume('default');
    await until(async () => (await driver.stats())[0]?.completed === 6, 'all complete');
    assert.deepEqual(seen, ['first', 'e', 'high', 'd', 'c', 'normal']);
  });
  test('lets jobs of a third key run while two with long lines could take every slot', async ({
    driver,
    serve,
    until,
  }) => {
    const seen: string[] = [];
    serve(
      behind(
        driver,
        ({ payload }) => ({ concurrency: { key: payload, limit: 1 } }),
        async ({ payload }) => {
          seen.push(payload);
          await new Promise((resolve) => setImmediate(resolve));
          return done;
        },
      ),
      2,
    );
    const many = (key: string): NewJob[] => Array.from({ length: 40 }, () => newJob({ payload: key }));
    await driver.add([...many('"a"'), ...many('"b"'), newJob({ payload: '"c"' })]);
    await until(async () => (await driver.stats())[0]?.completed === 81, 'all complete');
    assert.ok(seen.indexOf('"c"') < 60, `it came as number ${seen.indexOf('"c"')} of 81`);
  });
  test('gives the place that is kept for a job to the next in line when the job is cancelled', async ({
    driver,
    serve,
    until,
    pass,
  }) => {
    const seen: string[] = [];
    const end = gate();
    serve(
      behind(
        driver,
        () => ({ concurrency: { key: 'k', limit: 1 } }),
        async ({ id }) => {
          seen.push(id);
          if (id === 'first') await end.opened;
          return done;
        },
      ),
      2,
    );
    await driver.add([newJob({ id: 'first' })]);
    await until(() => seen.length === 1, 'the first runs');
    for (const [i, id] of ['second', 'third'].entries()) {
      await driver.add([newJob({ id })]);
      await until(async () => (await driver.stats())[0]?.delayed === i + 1, `${id} is parked`);
    }
    await driver.pause('default');
    end.open();
    await until(async () => (await driver.find('first'))?.state === 'completed', 'the first completes');
    assert.equal(await driver.cancel('second'), 'removed');
    await driver.resume('default');
    await pass(0);
    await until(() => seen.length === 2, 'the third runs');
    assert.deepEqual(seen, ['first', 'third']);
  });
  test('runs a job at once for which a place came free while it was on its way to wait', async ({
    driver,
    serve,
    until,
  }) => {
    const one: Gate = { concurrency: { key: 'k', limit: 1 } };
    const [end, refused] = [gate(), gate()];
    const tries: string[] = [];
    serve(async (job) => {
      tries.push(job.id);
      const delay = await driver.enter(job, one);
      if (delay > 0) {
        end.open();
        await refused.opened;
        return { type: 'released', delay, parked: one };
      }
      if (job.id === 'first') await end.opened;
      return done;
    });
    await driver.add([newJob({ id: 'first' })]);
    await until(() => tries.length === 1, 'the first runs');
    await driver.add([newJob({ id: 'second' })]);
    await until(async () => (await driver.find('first'))?.state === 'completed', 'the first completes');
    refused.open();
    await until(async () => (await driver.find('second'))?.state === 'completed', 'the second does');
    assert.deepEqual(tries, ['first', 'second', 'second']);
  });
  test('lets in as many as a limit allows that was raised while they waited', async ({
    driver,
    serve,
    until,
  }) => {
    let limit = 1;
    const [first, others] = [gate(), gate()];
    const seen: string[] = [];
    serve(
      behind(
        driver,
        () => ({ concurrency: { key: 'k', limit } }),
        async ({ id }) => {
          seen.push(id);
          if (id !== 'second') await (id === 'first' ? first : others).opened;
          return done;
        },
      ),
    );
    const parked = async (count: number): Promise<boolean> => (await driver.stats())[0]?.delayed === count;
    await driver.add([newJob({ id: 'first' })]);
    await until(() => seen.length === 1, 'the first runs');
    await driver.add([newJob({ id: 'second' })]);
    await until(() => parked(1), 'the second is parked');
    await driver.add(Array.from({ length: 4 }, () => newJob()));
    await until(() => parked(5), 'the others are too');
    limit = 4;
    first.open();
    try {
      await until(() => seen.length === 6, 'once the second has run, the other four do together');
    } finally {
      others.open();
    }
    await until(async () => (await driver.stats())[0]?.completed === 6, 'all complete');
  });
}
