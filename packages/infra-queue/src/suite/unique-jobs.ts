import assert from 'node:assert/strict';
import { done, gate, newJob, type Test } from './bench.ts';

/** How long a key is held, and who gives way. */
export function uniqueJobs(test: Test): void {
  const unique = { key: 'k', onConflict: 'skip' as const };
  test('drops a second job of a key until the first has ended', async ({ driver, serve, until }) => {
    const running = gate();
    await driver.add([newJob({ id: 'a', unique })]);
    assert.deepEqual(await driver.add([newJob({ unique })]), [{ id: 'a', status: 'duplicate' }]);
    serve(async () => {
      await running.opened;
      return done;
    });
    await until(async () => (await driver.find('a'))?.state === 'active', 'it runs');
    assert.deepEqual(await driver.add([newJob({ unique })]), [{ id: 'a', status: 'duplicate' }]);
    running.open();
    await until(async () => (await driver.find('a'))?.state === 'completed', 'it completes');
    assert.equal((await driver.add([newJob({ unique })]))[0]?.status, 'enqueued');
  });
  test('tells each of many calls of one moment what became of its own job', async ({ driver }) => {
    const given = Array.from({ length: 600 }, (_, i) => {
      if (i % 100 === 7) return newJob({ id: `m${i}`, unique });
      return newJob({ id: `m${i}`, queue: i % 3 === 0 ? 'other' : 'default' });
    });
    given.push(newJob({ id: 'm1' }), newJob({ id: 'm599' }));
    const told = (await Promise.all(given.map((job) => driver.add([job])))).map(([added]) => added);
    const statusOf = (i: number) => `${told[i]?.id} ${told[i]?.status}`;
    assert.deepEqual(
      [0, 1, 6, 8, 599].map(statusOf),
      [0, 1, 6, 8, 599].map((i) => `m${i} enqueued`),
    );
    // Of those with one key, one was stored; the others name it.
    const keyed = [7, 107, 207, 307, 407, 507].map((i) => told[i]);
    const kept = keyed.filter((added) => added?.status === 'enqueued');
    assert.equal(kept.length, 1);
    assert.ok(keyed.every((added) => added?.id === kept[0]?.id));
    assert.equal(`${statusOf(600)}, ${statusOf(601)}`, 'm1 duplicate, m599 duplicate');
    for (const [i, job] of given.entries())
      if (told[i]?.status === 'enqueued') assert.equal((await driver.find(job.id))?.queue, job.queue);
  });
  test('frees the key of a job that is dead or cancelled', async ({ driver, serve, until }) => {
    await driver.add([newJob({ id: 'a', unique, delay: 60_000 })]);
    await driver.cancel('a');
    assert.equal((await driver.add([newJob({ id: 'b', unique })]))[0]?.status, 'enqueued');
    serve(async () => ({ type: 'dead', error: new Error('x') }));
    await until(async () => (await driver.find('b'))?.state === 'dead', 'it dies');
    assert.equal((await driver.add([newJob({ unique })]))[0]?.status, 'enqueued');
  });
  test('frees a key with its window when the job is cancelled before it runs', async ({ driver }) => {
    const window = { key: 'k', ttl: 60_000, onConflict: 'skip' as const };
    await driver.add([newJob({ id: 'a', unique: window })]);
    assert.equal(await driver.cancel('a'), 'removed');
    assert.equal((await driver.add([newJob({ unique: window })]))[0]?.status, 'enqueued');
  });
  test('puts a job in the place of one that waits its turn, and keeps the window going', async ({
    driver,
    pass,
  }) => {
    const window = { key: 'k', ttl: 1000, onConflict: 'replace' as const };
    await driver.add([newJob({ id: 'a', unique: window }), newJob({ id: 'z', priority: 'low' })]);
    await pass(600);
    assert.equal((await driver.add([newJob({ id: 'b', unique: window })]))[0]?.status, 'replaced');
    assert.equal(await driver.find('a'), undefined);
    assert.deepEqual(
      (await driver.list({ state: 'waiting', limit: 10 })).map(({ id }) => id),
      ['b', 'z'],
    );
    await pass(500);
    assert.equal((await driver.add([newJob({ id: 'c', unique: window })]))[0]?.status, 'enqueued');
  });
  test('puts a job in the place of one that waits, when asked, and of none that runs', async ({
    driver,
    serve,
    until,
  }) => {
    const replace = { key: 'k', onConflict: 'replace' as const };
    const running = gate();
    const seen: string[] = [];
    await driver.add([newJob({ id: 'a', unique: replace, delay: 60_000 })]);
    assert.deepEqual(await driver.add([newJob({ id: 'b', unique: replace })]), [
      { id: 'b', status: 'replaced' },
    ]);
    assert.equal(await driver.find('a'), undefined);
    serve(async ({ id }) => {
      seen.push(id);
      await running.opened;
      return done;
    });
    await until(() => seen.length === 1, 'it runs');
    assert.deepEqual(await driver.add([newJob({ unique: replace })]), [{ id: 'b', status: 'duplicate' }]);
    running.open();
    assert.deepEqual(seen, ['b']);
  });
  test('leaves a key alone when a retried dead job, which lost it, ends', async ({
    driver,
    serve,
    until,
  }) => {
    await driver.add([newJob({ id: 'a', unique })]);
    serve(async ({ starts }) => (starts === 1 ? { type: 'dead', error: new Error('x') } : done));
    await until(async () => (await driver.find('a'))?.state === 'dead', 'it dies');
    await driver.add([newJob({ id: 'b', unique, delay: 60_000 })]);
    await driver.retry(['a']);
    await until(async () => (await driver.find('a'))?.state === 'completed', 'it completes');
    assert.deepEqual(await driver.add([newJob({ unique })]), [{ id: 'b', status: 'duplicate' }]);
  });
  test('holds a key for its window, also when the job has completed', async ({
    driver,
    serve,
    pass,
    until,
  }) => {
    const window = { key: 'k', ttl: 1000, onConflict: 'skip' as const };
    await driver.add([newJob({ id: 'a', unique: window })]);
    serve(async () => done);
    await until(async () => (await driver.find('a'))?.state === 'completed', 'it completes');
    assert.deepEqual(await driver.add([newJob({ unique: window })]), [{ id: 'a', status: 'duplicate' }]);
    await pass(1050);
    assert.equal((await driver.add([newJob({ unique: window })]))[0]?.status, 'enqueued');
  });
}
