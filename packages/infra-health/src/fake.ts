/// <reference lib="esnext.disposable" preserve="true" />
import assert from 'node:assert/strict';
import type { HealthResult, HealthStatus, LifecycleState } from '@vibeonrails/infra-core';
import { type FakeClock, fakeClock } from '@vibeonrails/infra-core/testing';
import { createHealth, type Health, type HealthCheckOptions, type HealthGroup } from './checks.ts';
import { handle } from './module.ts';

/** A registry for tests that stands in for the default one. The checks it is given are recorded and never run. */
export interface FakeHealth extends Health, Disposable {
  /** Move it to let cached answers grow old: `await fake.clock.advance('10s')`. */
  readonly clock: FakeClock;
  /** Decides what a check answers from now on, and adds it when nobody did. Others answer `ok`. */
  set(name: string, answer: HealthStatus | HealthResult): void;
  /** Puts the process into another state, as this registry sees it: `draining` makes it not ready. */
  setLifecycle(state: LifecycleState): void;
  /** Fails unless a check of this name was registered; with `options`, unless with these. */
  assertRegistered(name: string, options?: HealthCheckOptions): void;
  /** Fails unless the report of the group, or of everything, has this status. */
  assertStatus(status: HealthStatus, group?: HealthGroup): Promise<void>;
  /** Puts the former default registry back. `using` does it too. */
  restore(): void;
}

/** Swaps the default registry for an empty one, whose answers the test decides, until `restore()` or the end of a `using` block. */
export function fakeHealth(): FakeHealth {
  const clock = fakeClock();
  let state: LifecycleState = 'running';
  const answers = new Map<string, HealthResult>();
  const registered = new Map<string, HealthCheckOptions>();
  const health = createHealth({ clock, lifecycle: () => state });

  const register: Health['register'] = (name, _check, options = {}) => {
    const unregister = health.register(name, () => answers.get(name) ?? { status: 'ok' }, options);
    registered.set(name, options);
    return () => {
      unregister();
      if (registered.get(name) === options) registered.delete(name);
    };
  };
  const fake = { ...health, register };
  const putBack = handle.swap(fake);
  let restored = false;
  const restore = (): void => {
    if (restored) return;
    restored = true;
    putBack();
    void health.close();
  };

  return Object.assign(fake, {
    clock,
    set(name: string, answer: HealthStatus | HealthResult) {
      answers.set(name, typeof answer === 'string' ? { status: answer } : answer);
      if (!registered.has(name)) register(name, () => ({ status: 'ok' }));
    },
    setLifecycle(next: LifecycleState) {
      state = next;
    },
    assertRegistered(name: string, options?: HealthCheckOptions) {
      const seen = registered.get(name);
      assert.ok(
        seen,
        `expected a health check "${name}", found ${[...registered.keys()].join(', ') || 'none'}`,
      );
      for (const [key, value] of Object.entries(options ?? {}))
        assert.deepEqual(seen[key as keyof HealthCheckOptions], value, `"${name}" has another ${key}`);
    },
    async assertStatus(status: HealthStatus, group?: HealthGroup) {
      const report = await health.check(group === undefined ? {} : { group });
      const rows = report.checks.map((row) => `${row.name}: ${row.status}`).join(', ');
      assert.equal(report.status, status, `health is ${report.status} (${report.message ?? rows})`);
    },
    restore,
    [Symbol.dispose]: restore,
  });
}
