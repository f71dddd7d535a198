import assert from 'node:assert/strict';
import type { QueueDriver } from '../driver.ts';
import { done, newJob, type Test } from './bench.ts';

/** What lists and figures show. */
export function listing(test: Test): void {
  test('lists by state, queue and name, in pages', async ({ driver }) => {
    await driver.add([
      ...['a', 'b', 'c'].map((id) => newJob({ id })),
      newJob({ id: 'd', name: 'other' }),
      newJob({ id: 'e', queue: 'second' }),
      newJob({ id: 'f', delay: 60_000 }),
    ]);
    const ids = async (query: Partial<Parameters<QueueDriver['list']>[0]>): Promise<string[]> =>
      (await driver.list({ state: 'waiting', limit: 100, ...query })).map(({ id }) => id);
    assert.deepEqual(await ids({ queue: 'default', limit: 2, offset: 1 }), ['b', 'c']);
    assert.deepEqual(await ids({ name: 'other' }), ['d']);
    assert.deepEqual(await ids({ queue: 'second' }), ['e']);
    assert.deepEqual(await ids({ state: 'delayed' }), ['f']);
    assert.equal((await ids({})).length, 5);
    assert.deepEqual(await ids({ queue: 'none' }), []);
  });
  test('shows a delayed job as waiting once it is due, also while nobody serves the queue', async ({
    driver,
    pass,
  }) => {
    await driver.add([newJob({ id: 'a', delay: 2000 })]);
    assert.equal((await driver.list({ state: 'delayed', limit: 10 })).length, 1);
    await pass(2050);
    assert.equal((await driver.find('a'))?.state, 'waiting');
    assert.equal((await driver.list({ state: 'delayed', limit: 10 })).length, 0);
    assert.deepEqual(
      (await driver.list({ state: 'waiting', limit: 10 })).map(({ id }) => id),
      ['a'],
    );
    const [{ waiting, delayed } = { waiting: 0, delayed: 0 }] = await driver.stats();
    assert.deepEqual({ waiting, delayed }, { waiting: 1, delayed: 0 });
  });
  test('counts jobs by state, and how long the oldest has waited', async ({ driver, serve, pass, until }) => {
    const counts = async (): Promise<object | undefined> =>
      (await driver.stats()).find(({ queue }) => queue === 'default');
    await driver.add([
      newJob({ id: 'a' }),
      newJob({ id: 'b', priority: 'high' }),
      newJob({ id: 'c', delay: 60_000 }),
    ]);
    await pass(100);
    const { oldest, ...rest } = (await counts()) as { oldest: number };
    assert.ok(oldest >= 90 && oldest < 60_000, `the oldest waits ${oldest} ms`);
    const none = { waiting: 0, delayed: 0, active: 0, completed: 0, dead: 0, throughput: 0 };
    assert.deepEqual(rest, { ...none, queue: 'default', waiting: 2, delayed: 1, paused: false });
    serve(async ({ id }) => (id === 'a' ? { type: 'dead', error: new Error('x') } : done));
    await until(async () => (await driver.find('a'))?.state === 'dead', 'one dies');
    await until(async () => (await driver.find('b'))?.state === 'completed', 'one completes');
    assert.deepEqual(await counts(), {
      ...none,
      queue: 'default',
      delayed: 1,
      completed: 1,
      dead: 1,
      throughput: 2,
      oldest: 0,
      paused: false,
    });
  });
}
