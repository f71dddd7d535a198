import { fakeClock, resetInfra } from '@vibeonrails/infra-core/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createHealth, type HealthReport } from '../src/index.ts';

beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));
afterEach(resetInfra);

const ok = () => ({ status: 'ok' as const });
const names = (report: HealthReport) => report.checks.map(({ name }) => name);

test('a registry without checks is ok', async () => {
  expect(await createHealth().check()).toMatchObject({ status: 'ok', checks: [] });
});

test('a report has a row for each check, in the order of registration', async () => {
  const health = createHealth({ clock: fakeClock() });
  health.register('slow', async () => ({ status: 'degraded', message: 'replica lags', data: { lag: 4 } }));
  health.register('fast', ok);
  expect(await health.check()).toEqual({
    status: 'degraded',
    ms: 0,
    checks: [
      {
        name: 'slow',
        status: 'degraded',
        message: 'replica lags',
        data: { lag: 4 },
        critical: true,
        ms: 0,
        checkedAt: '2026-01-01T00:00:00.000Z',
        failures: 0,
      },
      {
        name: 'fast',
        status: 'ok',
        critical: true,
        ms: 0,
        checkedAt: '2026-01-01T00:00:00.000Z',
        failures: 0,
      },
    ],
  });
});

test('the worst status wins', async () => {
  const health = createHealth();
  health.register('a', () => ({ status: 'error' }));
  health.register('b', () => ({ status: 'degraded' }));
  health.register('c', ok);
  expect((await health.check()).status).toBe('error');
});

test('an error of a check that is not critical makes the report degraded, and stays an error in its row', async () => {
  const health = createHealth();
  health.register('search', () => ({ status: 'error' }), { critical: false });
  expect(await health.check()).toMatchObject({
    status: 'degraded',
    checks: [{ status: 'error', critical: false }],
  });
});

test('a group has only its own checks, and ready is the group of those that name none', async () => {
  const health = createHealth();
  health.register('database', ok);
  health.register('loop', ok, { groups: ['live', 'ready'] });
  health.register('report', ok, { groups: ['nightly'] });
  expect(names(await health.check())).toEqual(['database', 'loop', 'report']);
  expect(names(await health.check({ group: 'ready' }))).toEqual(['database', 'loop']);
  expect(names(await health.check({ group: 'live' }))).toEqual(['loop']);
  expect(await health.check({ group: 'nightly' })).toMatchObject({ status: 'ok', group: 'nightly' });
});

test('a misspelt group is an error, and a known one without checks is ok', async () => {
  const health = createHealth();
  health.register('report', ok, { groups: ['nightly'] });
  expect(await health.check({ group: 'nigthly' })).toMatchObject({
    status: 'error',
    message: 'no check belongs to the group "nigthly"',
  });
  expect((await health.check({ group: 'live' })).status).toBe('ok');
});

test('the startup group is an error until markStarted, whatever its checks say', async () => {
  const health = createHealth();
  health.register('warm', ok, { groups: ['startup'] });
  expect(await health.check({ group: 'startup' })).toMatchObject({
    status: 'error',
    message: 'starting: markStarted() was not called yet',
    checks: [{ status: 'ok' }],
  });
  health.markStarted();
  expect((await health.check({ group: 'startup' })).status).toBe('ok');
  expect((await health.check({ group: 'ready' })).status).toBe('ok');
});

test('while the process shuts down it is not ready but live, and no dependency is asked', async () => {
  let state: 'running' | 'draining' | 'stopped' = 'running';
  const health = createHealth({ lifecycle: () => state });
  const database = vi.fn(ok);
  health.register('database', database, { groups: ['ready', 'live'] });
  for (state of ['draining', 'stopped'] as const) {
    expect(await health.check({ group: 'ready' })).toMatchObject({
      status: 'error',
      message: 'shutting down',
      checks: [],
    });
    expect(await health.check()).toMatchObject({ status: 'error', message: 'shutting down' });
    expect(database).not.toHaveBeenCalled();
    expect((await health.check({ group: 'live' })).status).toBe('ok');
    database.mockClear();
  }
});

test('a second check of the same name is a coded error that says what to do', () => {
  const health = createHealth();
  health.register('database', ok);
  expect(() => health.register('database', ok)).toThrow(
    expect.objectContaining({
      code: 'E_HEALTH_DUPLICATE',
      check: 'database',
      message: expect.stringContaining('replace: true'),
    }),
  );
});

test('replace puts a check in the place of its namesake, whose unregister then does nothing', async () => {
  const health = createHealth();
  const unregister = health.register('database', () => ({ status: 'error' }));
  health.register('cache', ok);
  health.register('database', ok, { replace: true });
  unregister();
  expect(names(await health.check())).toEqual(['database', 'cache']);
  expect((await health.check()).status).toBe('ok');
});

test('a check that was taken out is gone from the report, and its name is free', async () => {
  const health = createHealth();
  const unregister = health.register('database', () => ({ status: 'error' }));
  unregister();
  unregister();
  expect(await health.check()).toMatchObject({ status: 'ok', checks: [] });
  health.register('database', ok);
});

test.each([
  ['', ok, {}, 'it has no name'],
  ['  ', ok, {}, 'it has no name'],
  [undefined, ok, {}, 'it has no name'],
  ['x', { status: 'ok' }, {}, 'it is not a function'],
  ['x', ok, { groups: [] }, 'its groups are not a list of names'],
  ['x', ok, { groups: 'ready' }, 'its groups are not a list of names'],
  ['x', ok, { groups: [''] }, 'its groups are not a list of names'],
  ['x', ok, { failureThreshold: 0 }, 'a failureThreshold of 0 is no count'],
  ['x', ok, { failureThreshold: 1.5 }, 'a failureThreshold of 1.5 is no count'],
  ['x', ok, { timeout: 0 }, 'a timeout of 0 leaves it no time'],
])('registering %j with %j and %j is a coded error', (name, check, options, problem) => {
  const register = createHealth().register as (...args: unknown[]) => unknown;
  expect(() => register(name, check, options)).toThrow(
    expect.objectContaining({ code: 'E_HEALTH_CHECK', message: expect.stringContaining(problem) }),
  );
});

test('a duration that is none is a coded error', () => {
  const health = createHealth();
  expect(() => health.register('x', ok, { timeout: '2 seconds' as '2s' })).toThrow(
    expect.objectContaining({ code: 'E_DURATION' }),
  );
  expect(() => createHealth({ timeout: -1 })).toThrow(expect.objectContaining({ code: 'E_DURATION' }));
});

test('changing the options afterwards changes nothing', async () => {
  const health = createHealth();
  const groups = ['live'];
  health.register('x', ok, { groups });
  groups[0] = 'ready';
  expect(names(await health.check({ group: 'live' }))).toEqual(['x']);
});
