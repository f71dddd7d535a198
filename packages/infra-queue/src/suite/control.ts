import assert from 'node:assert/strict';
import type { Outcome } from '../driver.ts';
import { done, gate, newJob, type Test } from './bench.ts';

/** Cancelling, pausing, stopping, progress. */
export function control(test: Test): void {
  test('cancels a job before it runs', async ({ driver }) => {
    await driver.add([newJob({ id: 'a' }), newJob({ id: 'b', delay: 60_000 })]);
    assert.equal(await driver.cancel('a'), 'removed');
    assert.equal(await driver.cancel('b'), 'removed');
    assert.equal(await driver.cancel('a'), 'unknown');
    assert.equal(await driver.find('a'), undefined);
  });
  test('tells a running job that it is cancelled', async ({ driver, serve, until }) => {
    let reason: unknown;
    await driver.add([newJob({ id: 'a' })]);
    serve(async (_job, run) => {
      reason = await new Promise((resolve) => {
        run.abort = resolve;
      });
      return { type: 'discarded', reason: 'cancelled' };
    });
    await until(async () => (await driver.find('a'))?.state === 'active', 'it runs');
    assert.equal(await driver.cancel('a'), 'signalled');
    await until(async () => (await driver.find('a'))?.state === 'completed', 'it ends');
    assert.equal((reason as { code?: string }).code, 'E_QUEUE_CANCELLED');
    assert.equal(await driver.cancel('a'), 'unknown');
  });
  test('runs a job no more that is cancelled while it waits, or runs and is to wait', async ({
    driver,
    serve,
    until,
  }) => {
    const outcomes: Record<string, Outcome> = {
      snoozed: { type: 'released', delay: 60_000 },
      failing: { type: 'retry', delay: 0, error: new Error('x') },
      parked: { type: 'released', delay: 60_000, parked: { concurrency: { key: 'k', limit: 1 } } },
      back: { type: 'released', delay: 0 },
    };
    const seen: string[] = [];
    const later = gate();
    serve(async ({ id }) => {
      seen.push(id);
      if (id === 'waiting') return { type: 'released', delay: 60_000 };
      await later.opened;
      assert.equal(await driver.cancel(id), 'signalled');
      return outcomes[id] ?? done;
    });
    const ids = [...Object.keys(outcomes), 'late'];
    await driver.add([...ids, 'waiting'].map((id) => newJob({ id })));
    await until(async () => (await driver.find('waiting'))?.state === 'delayed', 'it waits');
    assert.equal(await driver.cancel('waiting'), 'removed');
    later.open();
    await until(async () => (await driver.stats())[0]?.completed === 5, 'the others are over');
    assert.equal(seen.length, 6);
    for (const id of Object.keys(outcomes)) assert.equal((await driver.find(id))?.discarded, 'cancelled');
    assert.equal((await driver.find('late'))?.discarded, undefined);
  });
  test('lets a job remember what it must not repeat, over its attempts', async ({ driver, serve, until }) => {
    const seen: (string | undefined)[] = [];
    await driver.add([newJob({ id: 'a' }), newJob({ id: 'b', delay: 60_000 })]);
    serve(async ({ id, queue, attempt }) => {
      seen.push(await driver.recall(queue, id, 'step'), await driver.recall(queue, id, 'other'));
      await driver.remember(queue, id, 'step', `[${attempt}]`);
      return attempt === 1 ? { type: 'retry', delay: 0, error: new Error('x') } : done;
    });
    await until(async () => (await driver.find('a'))?.state === 'completed', 'it completes');
    assert.deepEqual(seen, [undefined, undefined, '[1]', undefined]);
    assert.equal(await driver.recall('default', 'b', 'step'), undefined);
    await driver.remember('default', 'none', 'step', '[1]');
    assert.equal(await driver.find('none'), undefined);
  });
  test('hands out nothing of a paused queue until it is resumed', async ({ driver, serve, pass, until }) => {
    const seen: string[] = [];
    serve(async ({ id }) => {
      seen.push(id);
      return done;
    });
    await driver.pause('default');
    await driver.add([newJob({ id: 'a' }), newJob({ id: 'b', delay: 50 })]);
    await pass(100);
    assert.deepEqual(seen, []);
    assert.equal((await driver.stats()).find(({ queue }) => queue === 'default')?.paused, true);
    await driver.resume('default');
    await until(() => seen.length === 2, 'both run');
  });
  test('hands out no more after a stop, and still takes the outcomes of those that run', async (bench) => {
    const { driver, serve, pass, until } = bench;
    const running = gate();
    const seen: string[] = [];
    await driver.add([newJob({ id: 'a' }), newJob({ id: 'b' })]);
    const consumer = serve(async ({ id }) => {
      seen.push(id);
      await running.opened;
      return done;
    }, 1);
    await until(() => seen.length === 1, 'the first runs');
    await consumer.stop();
    let closed = false;
    const closing = consumer.close().then(() => {
      closed = true;
    });
    await pass(20);
    assert.equal(closed, false);
    running.open();
    await closing;
    assert.equal((await driver.find('a'))?.state, 'completed');
    assert.equal((await driver.find('b'))?.state, 'waiting');
    assert.deepEqual(seen, ['a']);
  });
  test('notes progress of an active job', async ({ driver, serve, until }) => {
    const running = gate();
    await driver.add([newJob({ id: 'a' })]);
    serve(async ({ queue, id }) => {
      await driver.progress(queue, id, 40);
      await running.opened;
      return done;
    });
    await until(async () => (await driver.find('a'))?.progress === 40, 'progress is seen');
    running.open();
    await driver.progress('default', 'none', 10);
  });
}
