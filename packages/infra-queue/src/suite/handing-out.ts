import assert from 'node:assert/strict';
import type { DriverJob } from '../driver.ts';
import { done, newJob, type Test } from './bench.ts';

/** Which job is handed out, when, and to how many at once. */
export function handingOut(test: Test): void {
  test('hands out a job as it came, for the first time', async ({ driver, serve, until }) => {
    const seen: DriverJob[] = [];
    const given = newJob({ payload: '{"text":"ü☃"}', meta: { traceparent: 'x' } });
    assert.deepEqual(await driver.add([given]), [{ id: given.id, status: 'enqueued' }]);
    serve(async (job) => {
      seen.push(job);
      return done;
    });
    await until(() => seen.length > 0, 'the job is handed out');
    const { id, name, queue, payload, meta, attempt, starts } = seen[0] as DriverJob;
    assert.deepEqual(
      { id, name, queue, payload: JSON.parse(payload), meta, attempt, starts },
      {
        id: given.id,
        name: 'task',
        queue: 'default',
        payload: { text: 'ü☃' },
        meta: given.meta,
        attempt: 1,
        starts: 1,
      },
    );
    await until(async () => (await driver.find(given.id))?.state === 'completed', 'the job completes');
    assert.deepEqual((await driver.find(given.id))?.meta, given.meta);
    assert.equal(seen.length, 1);
  });
  test('hands out by priority, and in order within one', async ({ driver, serve, until }) => {
    const seen: string[] = [];
    const ids = ['low', 'normal', 'high', 'normal', 'high'] as const;
    await driver.add(ids.map((priority, i) => newJob({ id: `${priority}-${i}`, priority })));
    serve(async ({ id }) => {
      seen.push(id);
      return done;
    }, 1);
    await until(() => seen.length === 5, 'all run');
    assert.deepEqual(seen, ['high-2', 'high-4', 'normal-1', 'normal-3', 'low-0']);
  });
  test('hands out no more than its slots at once, and only of its queue', async ({
    driver,
    serve,
    until,
  }) => {
    let now = 0;
    let most = 0;
    let ran = 0;
    await driver.add([...Array.from({ length: 12 }, () => newJob()), newJob({ queue: 'other' })]);
    serve(async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      ran += 1;
      return done;
    }, 3);
    await until(() => ran === 12, 'all run');
    assert.equal(most, 3);
    assert.equal((await driver.list({ state: 'waiting', limit: 10 })).length, 1);
  });
  test('does not store an id twice', async ({ driver }) => {
    const job = newJob();
    await driver.add([job]);
    assert.deepEqual(await driver.add([{ ...job, payload: '1' }, newJob({ id: 'another' })]), [
      { id: job.id, status: 'duplicate' },
      { id: 'another', status: 'enqueued' },
    ]);
    assert.equal((await driver.find(job.id))?.payload, '{}');
  });
  test('holds a delayed job until its time', async ({ driver, serve, pass, until }) => {
    const seen: string[] = [];
    await driver.add([newJob({ id: 'later', delay: 2000 }), newJob({ id: 'sooner', delay: 1000 })]);
    assert.equal((await driver.find('later'))?.state, 'delayed');
    serve(async ({ id }) => {
      seen.push(id);
      return done;
    });
    await pass(20);
    assert.deepEqual(seen, []);
    await until(() => seen.length === 2, 'both run');
    assert.deepEqual(seen, ['sooner', 'later']);
  });
}
