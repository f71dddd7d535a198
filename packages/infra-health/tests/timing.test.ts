import { execFile } from 'node:child_process';
import { setImmediate, setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Clock } from '@vibeonrails/infra-core';
import { fakeClock, resetInfra } from '@vibeonrails/infra-core/testing';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createHealth } from '../src/index.ts';

// What runs the checks is loaded: the clocks below do not wait for it.
beforeAll(() => createHealth().ready());
beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));
afterEach(resetInfra);

const ok = () => ({ status: 'ok' as const });
const never = () => new Promise<never>(() => undefined);
const block = (ms: number): void => {
  for (const end = Date.now() + ms; Date.now() < end; );
};

test('checks run side by side', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock });
  for (const name of ['a', 'b', 'c'])
    health.register(name, () => new Promise((resolve) => clock.after(500, () => resolve(ok()))));
  const report = health.check();
  await clock.advance('500ms');
  expect(await report).toMatchObject({ status: 'ok', ms: 500 });
});

test('a check that hangs is one bad row after its timeout, two seconds unless it says otherwise', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock });
  health.register('hangs', never);
  health.register('hangs longer', never, { timeout: '3s' });
  health.register('works', ok);
  const report = health.check();
  await clock.advance('3s');
  expect(await report).toMatchObject({
    status: 'error',
    ms: 3000,
    checks: [
      { status: 'error', message: 'did not answer within 2000 ms', ms: 2000 },
      { status: 'error', message: 'did not answer within 3000 ms', ms: 3000 },
      { status: 'ok', ms: 0 },
    ],
  });
  expect(clock.pending()).toBe(0);
});

test('the signal of a check aborts when its time is up, and not before', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock, timeout: '1s' });
  let seen: AbortSignal | undefined;
  health.register('hangs', ({ signal }) => {
    seen = signal;
    return never();
  });
  const report = health.check();
  await clock.advance(999);
  expect(seen?.aborted).toBe(false);
  await clock.advance(1);
  expect(seen?.aborted).toBe(true);
  await report;
});

test('a check that answers in time leaves no timer', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock });
  health.register('works', ok);
  await health.check();
  expect(clock.pending()).toBe(0);
});

test('however many ask at once, a check runs once', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock });
  const check = vi.fn(
    () => new Promise<ReturnType<typeof ok>>((resolve) => clock.after(10, () => resolve(ok()))),
  );
  health.register('a', check);
  const reports = [health.check(), health.check({ group: 'ready' }), health.check({ fresh: true })];
  await clock.advance(10);
  for (const report of await Promise.all(reports)) expect(report.status).toBe('ok');
  expect(check).toHaveBeenCalledTimes(1);
  await Promise.all([health.check(), clock.advance(10)]);
  expect(check).toHaveBeenCalledTimes(2);
});

test('a check that does not come back is not started again, and is reported at once', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock, timeout: '1s' });
  const check = vi.fn(never);
  health.register('hangs', check);
  await Promise.all([health.check(), clock.advance('1s')]);
  await clock.advance('4s');
  for (let i = 0; i < 20; i += 1)
    expect((await health.check()).checks[0]).toMatchObject({
      status: 'error',
      message: 'has not come back for 5000 ms',
    });
  expect(check).toHaveBeenCalledTimes(1);
});

test('a check that never comes back gets another try after ten timeouts, and three in all', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock, timeout: '1s' });
  const check = vi.fn(never);
  health.register('hangs', check);
  for (let minute = 0; minute < 10; minute += 1) {
    await Promise.all([health.check(), clock.advance('1m')]);
  }
  expect(check).toHaveBeenCalledTimes(3);
});

test('a check that comes back late runs again, and recovers', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock, timeout: '1s' });
  const check = vi.fn(ok as () => ReturnType<typeof ok> | Promise<ReturnType<typeof ok>>);
  check.mockImplementationOnce(() => new Promise((resolve) => clock.after(5000, () => resolve(ok()))));
  health.register('slow once', check);
  const [first] = await Promise.all([health.check(), clock.advance('1s')]);
  expect(first.checks[0]?.message).toBe('did not answer within 1000 ms');
  await clock.advance('4s');
  expect(await health.check()).toMatchObject({ status: 'ok', checks: [{ failures: 0 }] });
  expect(check).toHaveBeenCalledTimes(2);
});

test('a rejection after the timeout is nobody else’s problem', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock, timeout: '1s' });
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  health.register(
    'late',
    () => new Promise((_, reject) => clock.after(2000, () => reject(new Error('late')))),
  );
  await Promise.all([health.check(), clock.advance('1s')]);
  await clock.advance('2s');
  await wait(5);
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test('an answer is used again for as long as cacheFor says, an error too', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock });
  const check = vi.fn(() => ({ status: 'error' as const }));
  health.register('a', check, { cacheFor: '10s' });
  const [first] = (await health.check()).checks;
  await clock.advance(9999);
  expect((await health.check()).checks[0]).toEqual(first);
  expect(check).toHaveBeenCalledTimes(1);
  await clock.advance(1);
  await health.check();
  expect(check).toHaveBeenCalledTimes(2);
});

test('fresh asks again where an answer may be used again', async () => {
  const health = createHealth();
  const check = vi.fn(ok);
  health.register('a', check, { cacheFor: '1h' });
  await health.check();
  await health.check({ fresh: true });
  expect(check).toHaveBeenCalledTimes(2);
});

test('an interval runs the check in the background, and a report shows the last answer', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock });
  const check = vi.fn(ok);
  health.register('a', check, { interval: '30s' });
  await clock.advance('90s');
  expect(check).toHaveBeenCalledTimes(3);
  expect((await health.check()).checks[0]?.checkedAt).toBe('2026-01-01T00:01:30.000Z');
  expect(check).toHaveBeenCalledTimes(3);
});

test('an interval goes on after a run that hung or failed', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock });
  const check = vi.fn<() => ReturnType<typeof ok> | Promise<never>>(ok);
  check.mockImplementationOnce(() => {
    throw new Error('down');
  });
  check.mockImplementationOnce(
    () => new Promise((_, reject) => clock.after(5000, () => reject(new Error('late')))),
  );
  health.register('a', check, { interval: '30s' });
  await clock.advance('100s');
  expect(check).toHaveBeenCalledTimes(3);
  expect((await health.check()).status).toBe('ok');
});

test('unregister and close end the background runs, and a closed registry still answers', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock });
  const unregister = health.register('a', ok, { interval: '30s' });
  health.register('b', ok, { interval: '30s' });
  unregister();
  expect(clock.pending()).toBe(1);
  await health.close();
  await health.close();
  expect(clock.pending()).toBe(0);
  expect(await health.check()).toMatchObject({ status: 'ok', checks: [{ name: 'b' }] });
});

test('close ends the wait for a check that hangs', async () => {
  const health = createHealth();
  health.register('hangs', never, { timeout: '1h' });
  const report = health.check();
  await health.close();
  expect((await report).checks[0]).toMatchObject({ status: 'error', message: 'was stopped' });
});

test('errors below the threshold are degraded, and a good answer starts the count anew', async () => {
  const health = createHealth();
  const answers = ['ok', 'error', 'error', 'ok', 'error', 'error', 'error', 'ok'] as const;
  let next = 0;
  health.register('flaky', () => ({ status: answers[next++] ?? 'ok' }), { failureThreshold: 3 });
  const seen: unknown[] = [];
  for (const _ of answers) {
    const [row] = (await health.check()).checks;
    seen.push([row?.status, row?.failures]);
  }
  expect(seen).toEqual([
    ['ok', 0],
    ['degraded', 1],
    ['degraded', 2],
    ['ok', 0],
    ['degraded', 1],
    ['degraded', 2],
    ['error', 3],
    ['ok', 0],
  ]);
});

test('a check that was never ok is an error at once, whatever its threshold', async () => {
  const health = createHealth();
  health.register('wrong address', () => ({ status: 'error' }), { failureThreshold: 3 });
  expect((await health.check()).status).toBe('error');
});

test('an aborted request ends its own wait, and the check goes on for the others', async () => {
  const clock = fakeClock();
  const health = createHealth({ clock });
  let seen: AbortSignal | undefined;
  health.register('slow', ({ signal }) => {
    seen = signal;
    return new Promise((resolve) => clock.after(1000, () => resolve(ok())));
  });
  health.register('fast', ok);
  const gone = new AbortController();
  const impatient = health.check({ signal: gone.signal });
  const patient = health.check();
  await clock.advance(500);
  gone.abort();
  expect(await impatient).toMatchObject({
    status: 'error',
    checks: [
      { name: 'slow', message: 'was not waited for: the request was aborted', ms: 500 },
      { status: 'ok' },
    ],
  });
  expect(seen?.aborted).toBe(false);
  await clock.advance(500);
  expect((await patient).status).toBe('ok');
});

test('a signal that is aborted already still gets what needs no waiting', async () => {
  const health = createHealth();
  health.register('hangs', never, { timeout: 100 });
  health.register('fast', ok);
  const { checks } = await health.check({ signal: AbortSignal.abort() });
  expect(checks.map(({ status }) => status)).toEqual(['error', 'ok']);
});

test('many checks under one signal leave no listener and no warning', async () => {
  const warned = vi.fn();
  process.on('warning', warned);
  const health = createHealth();
  for (let i = 0; i < 50; i += 1) health.register(`check ${i}`, ok);
  const { signal } = new AbortController();
  for (let i = 0; i < 50; i += 1) await health.check({ signal });
  await wait(5);
  process.off('warning', warned);
  expect(warned).not.toHaveBeenCalled();
});

/**
 * A clock on which the process can be kept busy: `block()` lets time pass without a timer, and what was due meanwhile
 * fires late, as it does on an event loop.
 */
function busyClock() {
  let now = 0;
  const timers = new Set<{ at: number; fn: () => void }>();
  const clock: Clock = {
    now: () => now,
    after(ms, fn) {
      const timer = { at: now + ms, fn };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
  };
  const fireDue = async (): Promise<void> => {
    for (;;) {
      await setImmediate();
      const due = [...timers].filter(({ at }) => at <= now).sort((a, b) => a.at - b.at)[0];
      if (!due) return;
      timers.delete(due);
      due.fn();
    }
  };
  return {
    clock,
    block(ms: number) {
      now += ms;
    },
    pause: (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve)),
    async pass(ms: number) {
      for (const end = now + ms; now < end; now += 1) await fireDue();
    },
  };
}

type Busy = ReturnType<typeof busyClock>;
test.each<[string, (busy: Busy) => unknown, number]>([
  ['at once', ({ block }) => block(400), 400],
  [
    'and then waits',
    ({ block, pause }) => {
      block(400);
      return pause(20);
    },
    400,
  ],
  ['after an await', ({ block, pause }) => pause(20).then(() => block(400)), 420],
])(
  'a check that blocks the process %s is one bad row, and the others are not blamed',
  async (_, work, ms) => {
    const busy = busyClock();
    const health = createHealth({ timeout: 150, clock: busy.clock });
    const roundTrips = async () => {
      for (let i = 0; i < 4; i += 1) await busy.pause(15);
      return ok();
    };
    health.register('before', roundTrips);
    health.register('blocks', async () => {
      await work(busy);
      return ok();
    });
    health.register('after', roundTrips);
    health.register('answers right after the block', () => busy.pause(40).then(ok));
    const [report] = await Promise.all([health.check(), busy.pass(1000)]);
    expect(report.checks.map(({ status }) => status)).toEqual(['ok', 'error', 'ok', 'ok']);
    expect(report.checks[1]?.message).toBe(`kept the process busy for ${ms} ms, its timeout is 150 ms`);
  },
);

test('a check that blocks the process is found out by the clock of the machine too', async () => {
  const health = createHealth({ timeout: '1s' });
  health.register('before', () => wait(15).then(ok));
  health.register('blocks', () => {
    block(1200);
    return ok();
  });
  health.register('after', () => wait(15).then(ok));
  const report = await health.check();
  expect(report.checks.map(({ status }) => status)).toEqual(['ok', 'error', 'ok']);
  expect(report.checks[1]?.message).toMatch(/^kept the process busy for \d+ ms, its timeout is 1000 ms$/);
});

test('a check that hangs is still found out when another one blocks', async () => {
  const health = createHealth({ timeout: 100 });
  health.register('hangs', never);
  health.register('blocks', () => {
    block(300);
    return ok();
  });
  expect((await health.check()).checks.map(({ message }) => message)).toEqual([
    'did not answer within 100 ms',
    expect.stringContaining('kept the process busy'),
  ]);
});

test('a check that hangs is a row also in a script that nothing else keeps alive', async () => {
  const script = `import { createHealth } from '@vibeonrails/infra-health';
    const health = createHealth();
    health.register('hangs', () => new Promise(() => undefined), { timeout: 200 });
    console.log((await health.check()).checks[0].message);`;
  const flags = ['--import', 'tsx', '--conditions', '@vibeonrails/infra-source', '--input-type=module'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, '--eval', script], {
    cwd: new URL('..', import.meta.url),
  });
  expect(stdout).toBe('did not answer within 200 ms\n');
});
