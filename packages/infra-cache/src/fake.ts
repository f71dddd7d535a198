/// <reference lib="esnext.disposable" preserve="true" />
import assert from 'node:assert/strict';
import { type FakeClock, fakeClock } from '@vibeonrails/infra-core/testing';
import { type Cache, createCache } from './client.ts';
import { handle } from './module.ts';

/** A cache for tests that stands in for the default one, on a clock of its own. */
export interface FakeCache extends Cache, Disposable {
  /** Move it to let entries expire: `await fake.clock.advance('5m')`. */
  readonly clock: FakeClock;
  /** Fails unless a value is stored under `key`; with `value`, unless it equals it. */
  assertStored(key: string, value?: unknown): Promise<void>;
  /** Fails when a value is stored under `key`. */
  assertMissing(key: string): Promise<void>;
  /** Puts the former default cache back. `using` does it too. */
  restore(): void;
}

/** Swaps the default cache for an empty one in memory until `restore()`, or the end of a `using` block. */
export function fakeCache(): FakeCache {
  const clock = fakeClock();
  const cache = createCache({ driver: 'memory', clock, namespace: 'fake', env: {} });
  const putBack = handle.swap(cache);
  let restored = false;
  const restore = (): void => {
    if (restored) return;
    restored = true;
    putBack();
    void cache.close();
  };
  return {
    ...cache,
    clock,
    async assertStored(key, ...expected) {
      const seen = await cache.get(key);
      assert.notEqual(seen, undefined, `expected a value to be cached under "${key}"`);
      if (expected.length > 0) assert.deepEqual(seen, expected[0], `unexpected value cached under "${key}"`);
    },
    async assertMissing(key) {
      assert.equal(await cache.get(key), undefined, `expected nothing to be cached under "${key}"`);
    },
    restore,
    [Symbol.dispose]: restore,
  };
}
