import assert from 'node:assert/strict';
import { UnrecoverableError } from '../errors.ts';
import { done, newJob, type Test } from './bench.ts';

/** What each outcome does to a job. */
export function outcomes(test: Test): void {
  test('runs a job again after the delay of a retry, as its next attempt', async ({
    driver,
    serve,
    pass,
    until,
  }) => {
    const attempts: number[] = [];
    await driver.add([newJob({ id: 'a' })]);
    serve(async ({ attempt }) => {
      attempts.push(attempt);
      return attempt === 1 ? { type: 'retry', delay: 2000, error: new Error('once') } : done;
    });
    await until(async () => (await driver.find('a'))?.state === 'delayed', 'it waits');
    const waiting = await driver.find('a');
    assert.equal(waiting?.failure?.message, 'once');
    assert.equal(waiting?.attemptsMade, 1);
    await pass(20);
    assert.deepEqual(attempts, [1]);
    await until(() => attempts.length === 2, 'the second attempt');
    assert.deepEqual(attempts, [1, 2]);
  });
  test('keeps the dead with their failure, and gives them all attempts when retried', async ({
    driver,
    serve,
    until,
  }) => {
    const attempts: number[] = [];
    await driver.add([newJob({ id: 'a', payload: '[1]' })]);
    serve(async ({ attempt }) => {
      attempts.push(attempt);
      return attempts.length === 1 ? { type: 'dead', error: new UnrecoverableError('no way') } : done;
    });
    await until(async () => (await driver.find('a'))?.state === 'dead', 'it dies');
    const [dead] = await driver.list({ state: 'dead', limit: 10 });
    assert.equal(dead?.failure?.message, 'no way');
    assert.equal(dead?.failure?.code, 'E_QUEUE_UNRECOVERABLE');
    assert.equal(dead?.payload, '[1]');
    assert.equal(await driver.retry(['a', 'none']), 1);
    await until(async () => (await driver.find('a'))?.state === 'completed', 'it completes');
    assert.deepEqual(attempts, [1, 1]);
    assert.equal(await driver.retry(['a']), 0);
  });
  test('forgets dead jobs that are discarded, and no others', async ({ driver, serve, until }) => {
    await driver.add([newJob({ id: 'a' }), newJob({ id: 'b' })]);
    serve(async ({ id }) => (id === 'a' ? { type: 'dead', error: new Error('x') } : done));
    await until(async () => (await driver.find('a'))?.state === 'dead', 'it dies');
    await until(async () => (await driver.find('b'))?.state === 'completed', 'the other completes');
    assert.equal(await driver.discard(['a', 'b', 'none']), 1);
    assert.equal(await driver.find('a'), undefined);
  });
  test('takes a released job back without counting the attempt', async ({ driver, serve, pass, until }) => {
    const seen: [number, number][] = [];
    await driver.add([newJob({ id: 'a' })]);
    serve(async ({ attempt, starts }) => {
      seen.push([attempt, starts]);
      if (seen.length === 1) return { type: 'released', delay: 0 };
      return seen.length === 2 ? { type: 'released', delay: 200 } : done;
    });
    await until(() => seen.length === 2, 'it comes back at once');
    await pass(20);
    assert.equal(seen.length, 2);
    await until(() => seen.length === 3, 'it comes back after its delay');
    assert.deepEqual(seen, [
      [1, 1],
      [1, 2],
      [1, 3],
    ]);
  });
  test('completes a discarded job with its reason', async ({ driver, serve, until }) => {
    await driver.add([newJob({ id: 'a' })]);
    serve(async () => ({ type: 'discarded', reason: 'user left' }));
    await until(async () => (await driver.find('a'))?.state === 'completed', 'it completes');
    assert.equal((await driver.find('a'))?.discarded, 'user left');
  });
}
