import assert from 'node:assert/strict';
import type { DriverJob, NewJob, Outcome, Process } from '../driver.ts';
import { type Bench, done, gate, newJob, type Test } from './bench.ts';

const unique = { key: 'k', onConflict: 'keep-last' } as const;
const job = (id: string, given: Partial<NewJob> = {}): NewJob =>
  newJob({ id, payload: JSON.stringify(id), unique, ...given });

/** Serves a queue so that each run ends when told to, and how. */
function hands({ serve, until }: Bench): {
  seen: string[];
  end: (id: string, outcome?: Outcome) => Promise<void>;
} {
  const seen: string[] = [];
  const ends = new Map<string, (outcome: Outcome) => void>();
  const process: Process = ({ id, payload, attempt }, run) => {
    seen.push(attempt === 1 ? JSON.parse(payload) : `${JSON.parse(payload)} again`);
    return new Promise((resolve) => {
      ends.set(id, resolve);
      run.abort = () => resolve({ type: 'discarded', reason: 'cancelled' });
    });
  };
  serve(process);
  return {
    seen,
    async end(id, outcome = done) {
      await until(() => ends.has(id), `${id} runs`);
      ends.get(id)?.(outcome);
      ends.delete(id);
    },
  };
}

/** One job of a key runs, the newest of the others follows, and none is lost or runs beside another. */
export function keepLast(test: Test): void {
  test('keeps the newest of those that come while one runs, and lets it follow', async (bench) => {
    const { driver, until } = bench;
    const { seen, end } = hands(bench);
    assert.deepEqual(await driver.add([job('a')]), [{ id: 'a', status: 'enqueued' }]);
    await until(() => seen.length === 1, 'the first runs');
    assert.deepEqual(await driver.add([job('b'), job('c')]), [
      { id: 'b', status: 'enqueued' },
      { id: 'c', status: 'replaced' },
    ]);
    assert.deepEqual(await driver.add([job('c', { payload: '"another"' }), job('a')]), [
      { id: 'c', status: 'duplicate' },
      { id: 'a', status: 'duplicate' },
    ]);
    // Also one without a key, or of another, is not let in under an id that is kept.
    const other = { unique: { key: 'other', onConflict: 'keep-last' } } as const;
    for (const given of [
      newJob({ id: 'c', delay: 50 }),
      job('c', other),
      job('c', { payload: '1', ...other }),
    ])
      assert.deepEqual(await driver.add([given]), [{ id: 'c', status: 'duplicate' }]);
    assert.equal(await driver.find('b'), undefined);
    const { state, name, payload, priority, runAt } = (await driver.find('c')) ?? {};
    assert.deepEqual(
      { state, name, payload, priority, runAt },
      { state: 'delayed', name: 'task', payload: '"c"', priority: 'normal', runAt: undefined },
    );
    await end('a');
    await end('c');
    await until(async () => (await driver.find('c'))?.state === 'completed', 'the last completes');
    assert.deepEqual(seen, ['a', 'c']);
    assert.deepEqual(await driver.add([job('d')]), [{ id: 'd', status: 'enqueued' }]);
  });
  test('puts the newest in the place of one that waits or is delayed', async ({ driver }) => {
    await driver.add([job('a')]);
    assert.deepEqual(await driver.add([job('b', { delay: 60_000 })]), [{ id: 'b', status: 'replaced' }]);
    assert.deepEqual(await driver.add([job('c')]), [{ id: 'c', status: 'replaced' }]);
    assert.equal(await driver.find('a'), undefined);
    assert.equal(await driver.find('b'), undefined);
    assert.equal((await driver.find('c'))?.state, 'waiting');
  });
  test('lets the kept one follow when the other is done with all its attempts, or dead', async (bench) => {
    const { driver, until } = bench;
    const { seen, end } = hands(bench);
    await driver.add([job('a')]);
    await until(() => seen.length === 1, 'the first runs');
    await driver.add([job('b')]);
    await end('a', { type: 'retry', delay: 200, error: new Error('once') });
    await end('a', { type: 'dead', error: new Error('for good') });
    await end('b');
    await until(async () => (await driver.find('b'))?.state === 'completed', 'the other completes');
    assert.deepEqual(seen, ['a', 'a again', 'b']);
    assert.equal((await driver.find('a'))?.state, 'dead');
  });
  test('puts the newest in the place of one that waits for another attempt, and of the kept one', async (bench) => {
    const { driver, until } = bench;
    const { seen, end } = hands(bench);
    await driver.add([job('a')]);
    await until(() => seen.length === 1, 'the first runs');
    await driver.add([job('b')]);
    await end('a', { type: 'retry', delay: 60_000, error: new Error('once') });
    await until(async () => (await driver.find('a'))?.state === 'delayed', 'it waits');
    assert.deepEqual(await driver.add([job('c')]), [{ id: 'c', status: 'replaced' }]);
    assert.equal(await driver.find('a'), undefined);
    assert.equal(await driver.find('b'), undefined);
    await end('c');
    await until(async () => (await driver.find('c'))?.state === 'completed', 'it completes');
    assert.deepEqual(seen, ['a', 'c']);
  });
  test('lets the kept one follow one that is cancelled, as it runs or as it waits', async (bench) => {
    const { driver, until } = bench;
    const { seen, end } = hands(bench);
    await driver.add([job('a')]);
    await until(() => seen.length === 1, 'the first runs');
    await driver.add([job('b')]);
    assert.equal(await driver.cancel('a'), 'signalled');
    await until(() => seen.length === 2, 'the second runs');
    await driver.add([job('c', { priority: 'high' })]);
    await end('b', { type: 'retry', delay: 60_000, error: new Error('once') });
    await until(async () => (await driver.find('b'))?.state === 'delayed', 'it waits');
    assert.equal(await driver.cancel('b'), 'removed');
    await end('c');
    await until(async () => (await driver.find('c'))?.state === 'completed', 'the last completes');
    assert.equal((await driver.find('c'))?.priority, 'high');
    assert.deepEqual(seen, ['a', 'b', 'c']);
    assert.deepEqual(await driver.add([job('d')]), [{ id: 'd', status: 'enqueued' }]);
  });
  test('takes out a kept job that is cancelled, and keeps others of the key afterwards', async (bench) => {
    const { driver, until } = bench;
    const { seen, end } = hands(bench);
    await driver.add([job('a')]);
    await until(() => seen.length === 1, 'the first runs');
    await driver.add([job('b')]);
    assert.equal(await driver.cancel('b'), 'removed');
    assert.equal(await driver.cancel('b'), 'unknown');
    assert.equal(await driver.find('b'), undefined);
    assert.deepEqual(await driver.add([job('c')]), [{ id: 'c', status: 'enqueued' }]);
    await end('a');
    await end('c');
    await until(async () => (await driver.find('c'))?.state === 'completed', 'the last completes');
    assert.deepEqual(seen, ['a', 'c']);
  });
  test('counts the delay of a kept job from the end of the other', async (bench) => {
    const { driver, until } = bench;
    const { seen, end } = hands(bench);
    await driver.add([job('a')]);
    await until(() => seen.length === 1, 'the first runs');
    await driver.add([job('b', { delay: 60_000 })]);
    await end('a');
    await until(async () => (await driver.find('b'))?.runAt !== undefined, 'it waits for its time');
    assert.deepEqual(
      (await driver.list({ state: 'delayed', limit: 10 })).map(({ id }) => id),
      ['b'],
    );
  });
  test('keeps a job while the holder of its key runs, whatever becomes of a dead one that had it', async (bench) => {
    const { driver, until } = bench;
    const { seen, end } = hands(bench);
    await driver.add([job('a')]);
    await end('a', { type: 'dead', error: new Error('x') });
    await until(async () => (await driver.find('a'))?.state === 'dead', 'it dies');
    await driver.add([job('b')]);
    await until(() => seen.length === 2, 'the second runs');
    await driver.add([job('c')]);
    assert.equal(await driver.retry(['a']), 1);
    await end('a');
    await until(async () => (await driver.find('a'))?.state === 'completed', 'the retried one completes');
    assert.equal((await driver.find('c'))?.startedAt, undefined);
    assert.deepEqual(seen, ['a', 'b', 'a']);
    await end('b');
    await end('c');
    await until(async () => (await driver.find('c'))?.state === 'completed', 'the last completes');
  });
  test('starts jobs of a key so far apart, the newest of each time, and attempts of one as they come', async ({
    driver,
    serve,
    pass,
    until,
  }) => {
    const apart = { unique: { ...unique, ttl: 1000 } };
    const seen: string[] = [];
    let started = 0;
    const running = gate();
    serve(async (handedOut: DriverJob): Promise<Outcome> => {
      const { id, attempt, apart: asked } = handedOut;
      assert.deepEqual(asked, { key: 'k', ms: 1000 });
      const delay = await driver.enter(handedOut, { apart: { key: 'k', ms: 1000 } });
      if (delay > 0) return { type: 'released', delay };
      seen.push(id);
      started ||= (await driver.find(id))?.startedAt ?? 0;
      if (id === 'a') await running.opened;
      return id === 'a' && attempt === 1 ? { type: 'retry', delay: 0, error: new Error('x') } : done;
    });
    await driver.add([job('a', apart)]);
    await until(() => seen.length === 1, 'the first runs');
    await driver.add([job('b', apart), job('c', apart)]);
    running.open();
    await until(async () => (await driver.find('a'))?.state === 'completed', 'the first completes');
    await pass(20);
    await driver.add([job('d', apart)]);
    await until(async () => (await driver.find('d'))?.state === 'completed', 'the last completes');
    // On a busy machine the one before it may have had its turn.
    assert.match(seen.join(), /^a,a,(c,)?d$/);
    const { finishedAt = 0 } = (await driver.find(seen[2] ?? '')) ?? {};
    assert.ok(finishedAt - started >= 1000, `apart by ${finishedAt - started} ms at most`);
  });
}
