import { resetInfra } from '@vibeonrails/infra-core/testing';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { type Cache, type CacheOptions, createCache } from '../src/index.ts';

/** What tests against real servers share: caches that close, log lines that are kept, nothing unhandled. */
export function quiet() {
  const open: Cache[] = [];
  let said: string[] = [];
  const unhandled = vi.fn();
  beforeEach(() => {
    said = [];
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
    process.on('unhandledRejection', unhandled).on('uncaughtExceptionMonitor', unhandled);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((cache) => cache.close()));
    process.off('unhandledRejection', unhandled).off('uncaughtExceptionMonitor', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    expect(said.join('')).not.toContain('s3cret');
    resetInfra();
  });
  return {
    cache(options: CacheOptions): Cache {
      const cache = createCache({ env: {}, ...options });
      open.push(cache);
      return cache;
    },
    /** The lines that the cache logged. */
    lines: () => said.filter((line) => line.includes('"module":"cache"')),
  };
}

/** Asks until the answer is right; a loaded machine may take its time. */
export const eventually = { timeout: 15_000, interval: 20 };
