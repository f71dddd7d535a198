import { beforeEach, expect, test, vi } from 'vitest';
import { lifecycleState, onShutdown, type ShutdownContext, shutdown, slot } from '../src/index.ts';
import { resetInfra } from '../src/testing.ts';

beforeEach(() => {
  resetInfra();
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});

const never = (): Promise<never> => new Promise(() => undefined);

test('hooks run by phase, and inside a phase the last registered goes first', async () => {
  const ran: string[] = [];
  for (const phase of ['flush', 'close', 'drain', 'stop'] as const)
    for (const number of [1, 2])
      onShutdown(`${phase} ${number}`, () => ran.push(`${phase} ${number}`), { phase });
  const report = await shutdown('test');
  expect(ran).toEqual(['drain 2', 'drain 1', 'stop 2', 'stop 1', 'close 2', 'close 1', 'flush 2', 'flush 1']);
  expect(report).toMatchObject({ reason: 'test', ok: true });
  expect(report.hooks.map((hook) => hook.status)).toEqual(Array(8).fill('done'));
});

test('the phase is "close" unless another is named, and each hook is awaited', async () => {
  const ran: string[] = [];
  onShutdown('first', () => ran.push('first'));
  onShutdown('slow', async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    ran.push('slow');
  });
  const { hooks } = await shutdown();
  expect(ran).toEqual(['slow', 'first']);
  expect(hooks.map((hook) => hook.phase)).toEqual(['close', 'close']);
});

test('a hook is told the reason and its time, and what it returns is in the report', async () => {
  let seen: ShutdownContext | undefined;
  onShutdown(
    'worker',
    (context) => {
      seen = context;
      return { drained: 3 };
    },
    { timeout: '2s' },
  );
  const { hooks } = await shutdown('SIGTERM');
  expect(seen).toMatchObject({ reason: 'SIGTERM', timeout: 2000 });
  expect(hooks[0]).toMatchObject({ name: 'worker', result: { drained: 3 } });
});

test('hooks that throw, reject or hang never stop the rest', async () => {
  const ran: string[] = [];
  onShutdown('last', () => ran.push('last'));
  onShutdown('throws', () => {
    throw new Error('boom');
  });
  onShutdown('rejects', () => Promise.reject('as a text'));
  onShutdown('throws the unspeakable', () => {
    throw Object.create(null);
  });
  onShutdown('hangs', never, { timeout: 20 });
  const report = await shutdown();
  expect(report.ok).toBe(false);
  expect(report.hooks.map(({ name, status, error }) => ({ name, status, error }))).toEqual([
    { name: 'hangs', status: 'timeout', error: 'not done after 20 ms' },
    {
      name: 'throws the unspeakable',
      status: 'failed',
      error: 'something without a text form was thrown',
    },
    { name: 'rejects', status: 'failed', error: 'as a text' },
    { name: 'throws', status: 'failed', error: 'boom' },
    { name: 'last', status: 'done', error: undefined },
  ]);
  expect(ran).toEqual(['last']);
});

test('a hook that hangs has its signal aborted when its time is up, and may reject later without harm', async () => {
  let signal: AbortSignal | undefined;
  onShutdown(
    'hangs',
    (context) =>
      new Promise((_, reject) => {
        signal = context.signal;
        context.signal.addEventListener('abort', () => reject(new Error('aborted')));
      }),
    { timeout: 10 },
  );
  const { hooks } = await shutdown();
  expect(hooks[0]).toMatchObject({ status: 'timeout' });
  expect(signal?.aborted).toBe(true);
});

test('once the deadline for everything has passed, what is left starts aborted and is not awaited', async () => {
  const started: string[] = [];
  const late = (name: string) => (context: ShutdownContext) => {
    started.push(`${name} ${context.signal.aborted ? 'aborted' : 'in time'} ${context.timeout}`);
    return name === 'quick' ? 'let go' : never();
  };
  onShutdown('hangs', late('hangs'), { phase: 'flush' });
  onShutdown('quick', late('quick'), { phase: 'close' });
  onShutdown('eats it all', never, { phase: 'drain', timeout: '1h' });
  const startedAt = performance.now();
  const { hooks } = await shutdown('test', { deadline: 40 });
  expect(performance.now() - startedAt).toBeLessThan(1000);
  expect(started).toEqual(['quick aborted 0', 'hangs aborted 0']);
  expect(hooks.map(({ name, status }) => `${name} ${status}`)).toEqual([
    'eats it all timeout',
    'quick done',
    'hangs timeout',
  ]);
  expect(hooks[2]?.error).toBe('no time was left');
});

test('a hook registered by a hook runs, also for a phase that is over', async () => {
  const ran: string[] = [];
  onShutdown('closes', () => {
    ran.push('closes');
    onShutdown('drains late', () => ran.push('drains late'), { phase: 'drain' });
    onShutdown('flushes', () => ran.push('flushes'), { phase: 'flush' });
  });
  onShutdown('first of flush', () => ran.push('first of flush'), { phase: 'flush' });
  expect((await shutdown()).hooks).toHaveLength(4);
  expect(ran).toEqual(['closes', 'drains late', 'flushes', 'first of flush']);
});

test('a hook that registers itself again and again ends at the deadline', async () => {
  const again = async (): Promise<void> => {
    onShutdown('again', again);
    await new Promise((resolve) => setTimeout(resolve, 1));
  };
  onShutdown('again', again);
  expect((await shutdown('test', { deadline: 30 })).ok).toBe(false);
});

test('a second call shares the first one’s report', async () => {
  const hook = vi.fn();
  onShutdown('once', hook);
  const [first, second] = await Promise.all([shutdown('first'), shutdown('second')]);
  expect(second).toBe(first);
  expect((await shutdown('third')).reason).toBe('first');
  expect(hook).toHaveBeenCalledOnce();
});

test('a hook that was taken back does not run', async () => {
  const hook = vi.fn();
  const takeBack = onShutdown('gone', hook);
  takeBack();
  takeBack();
  expect((await shutdown()).hooks).toEqual([]);
  expect(hook).not.toHaveBeenCalled();
});

test('the same function registered twice runs twice', async () => {
  const hook = vi.fn();
  onShutdown('a', hook);
  onShutdown('b', hook);
  await shutdown();
  expect(hook).toHaveBeenCalledTimes(2);
});

test('the state is draining from the first moment, and stopped at the end', async () => {
  expect(lifecycleState()).toBe('running');
  const seen: string[] = [];
  onShutdown('looks', () => seen.push(lifecycleState()));
  const over = shutdown('test', { drainDelay: 20 });
  expect(lifecycleState()).toBe('draining');
  await over;
  expect(seen).toEqual(['draining']);
  expect(lifecycleState()).toBe('stopped');
});

test('the drain delay comes before the first hook', async () => {
  const startedAt = performance.now();
  let waited = 0;
  onShutdown('drains', () => {
    waited = performance.now() - startedAt;
  });
  await shutdown('test', { drainDelay: 40 });
  expect(waited).toBeGreaterThanOrEqual(35);
});

test('nothing stays in memory: neither hooks that ran nor those that were taken back', async () => {
  for (let i = 0; i < 1000; i += 1) onShutdown('short-lived', () => i)();
  onShutdown('runs', () => undefined);
  const { hooks } = slot<{ hooks: Set<unknown> }>('lifecycle', 1, () => ({ hooks: new Set() }));
  expect(hooks.size).toBe(1);
  await shutdown();
  expect(hooks.size).toBe(0);
});

test('a wrong duration is refused where it is given', () => {
  expect(() => onShutdown('x', never, { timeout: 'soon' as never })).toThrow('"soon" is not a duration');
  expect(() => shutdown('x', { deadline: -1 })).toThrow(expect.objectContaining({ code: 'E_DURATION' }));
  expect(lifecycleState()).toBe('running');
});
