import assert from 'node:assert/strict';
import type { Schedule } from '../driver.ts';
import { done, gate, type Test } from './bench.ts';

/** When ticks make jobs. */
export function scheduling(test: Test): void {
  const everySecond: Schedule = {
    name: 'tick',
    queue: 'cron',
    pattern: '* * * * * *',
    timezone: 'UTC',
    overlap: 'skip',
    catchUp: 1,
    jitter: 0,
    attempts: 1,
  };
  test('makes one job at each tick, however often the schedule is stored', async ({
    driver,
    serve,
    until,
  }) => {
    const ticks: number[] = [];
    serve(
      async ({ name, tick }) => {
        assert.equal(name, 'tick');
        ticks.push(tick ?? 0);
        await driver.schedule(everySecond);
        return done;
      },
      10,
      'cron',
    );
    await Promise.all([driver.schedule(everySecond), driver.schedule(everySecond)]);
    await until(() => ticks.length >= 3, 'three ticks');
    // A store that answers late may leave a tick out, but makes none twice.
    assert.ok(ticks.every((tick, i) => tick % 1000 === 0 && (i === 0 || tick > (ticks[i - 1] ?? 0))));
  });
  test('skips a tick while an earlier one runs, and none when told to allow it', async ({
    driver,
    serve,
    pass,
    until,
  }) => {
    const running = gate();
    const seen: string[] = [];
    serve(
      async ({ name }) => {
        seen.push(name);
        await running.opened;
        return done;
      },
      10,
      'cron',
    );
    await driver.schedule(everySecond);
    await driver.schedule({ ...everySecond, name: 'both', overlap: 'allow' });
    await pass(3500);
    await until(() => seen.length >= 3, 'ticks');
    running.open();
    assert.equal(seen.filter((name) => name === 'tick').length, 1);
    assert.ok(seen.filter((name) => name === 'both').length >= 2);
  });
  test('keeps the tick it waits for when anything but the times of a schedule changes', async ({
    driver,
  }) => {
    const daily: Schedule = { ...everySecond, pattern: '0 0 * * *' };
    await driver.schedule(daily);
    const [former] = await driver.schedules();
    await driver.schedule({ ...daily, overlap: 'allow', catchUp: 3, jitter: 1000 });
    const { next, ...stored } = (await driver.schedules())[0] ?? { next: 0 };
    assert.equal(next, former?.next);
    assert.deepEqual(stored, { ...daily, overlap: 'allow', catchUp: 3, jitter: 1000 });
  });
  test('takes the runs that have not begun out with their schedule, and those of no other', async ({
    driver,
    serve,
    pass,
    until,
  }) => {
    const others: string[] = [];
    const runs = async (): Promise<string[]> => {
      const lists = (['waiting', 'delayed'] as const).map((state) =>
        driver.list({ state, queue: 'cron', limit: 100 }),
      );
      return (await Promise.all(lists)).flat().map(({ name }) => name);
    };
    const consumer = serve(async () => ({ type: 'released', delay: 60_000 }), 10, 'cron');
    await driver.schedule(everySecond);
    await driver.schedule({ ...everySecond, name: 'tick.1', overlap: 'allow' });
    await until(
      async () => (await runs()).includes('tick') && (await runs()).includes('tick.1'),
      'both wait',
    );
    await driver.pause('cron');
    const kept = (await runs()).filter((name) => name === 'tick.1').length;
    await until(async () => (await runs()).length > kept + 1, 'another waits behind the pause');
    assert.equal(await driver.unschedule('tick'), true);
    assert.ok((await runs()).filter((name) => name === 'tick.1').length > kept);
    assert.ok(!(await runs()).includes('tick'));
    assert.equal(await driver.unschedule('tick.1'), true);
    assert.deepEqual(await runs(), []);
    await consumer.close();
    // Its key is free: it is as if it had never run.
    serve(
      async ({ name }) => {
        others.push(name);
        return done;
      },
      10,
      'cron',
    );
    await driver.resume('cron');
    await driver.schedule(everySecond);
    await until(() => others.length > 0, 'it runs');
    await pass(0);
    assert.ok(others.every((name) => name === 'tick'));
  });
  test('follows a schedule that changes, and forgets one that is removed', async ({
    driver,
    serve,
    pass,
  }) => {
    let ran = 0;
    serve(
      async () => {
        ran += 1;
        return done;
      },
      1,
      'cron',
    );
    await driver.schedule(everySecond);
    const yearly: Schedule = { ...everySecond, pattern: '0 0 1 1 *', timezone: 'Europe/Paris' };
    await driver.schedule(yearly);
    const [{ next, ...stored } = { next: 0 }] = await driver.schedules();
    assert.deepEqual(stored, yearly);
    assert.match(new Date(next).toISOString(), /-12-31T23:00:00.000Z$/);
    // One tick may have come between the two, and its job be on its way.
    for (let before = -1, looks = 0; before !== ran; looks += 1) {
      assert.ok(looks < 10, 'its former ticks go on');
      before = ran;
      await pass(1500);
    }
    assert.equal(await driver.unschedule('tick'), true);
    assert.equal(await driver.unschedule('tick'), false);
    assert.deepEqual(await driver.schedules(), []);
  });
}
