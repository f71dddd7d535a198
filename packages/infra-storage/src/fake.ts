/// <reference lib="esnext.disposable" preserve="true" />
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isUint8Array } from 'node:util/types';
import { type FakeClock, fakeClock } from '@vibeonrails/infra-core/testing';
import { createStorage, type Storage } from './client.ts';
import type { FileInfo } from './driver.ts';
import { fsDriver } from './drivers/fs.ts';
import { handle } from './module.ts';

/** A storage for tests that stands in for the default one: real files in a folder of its own, on a clock of its own. */
export interface FakeStorage extends Storage, Disposable {
  /** Move it to let signed URLs expire: `await fake.clock.advance('15m')`. */
  readonly clock: FakeClock;
  /**
   * Fails unless a file is stored under `key`; with a text or bytes, unless that is its content. Returns what is
   * known of the file.
   */
  assertStored(key: string, content?: string | Uint8Array): Promise<FileInfo>;
  /** Fails when a file is stored under `key`. */
  assertMissing(key: string): Promise<void>;
  /** Puts the former default storage back and removes the folder. `using` does it too. */
  restore(): void;
}

/** Swaps the default storage for an empty one in a temporary folder until `restore()`, or the end of a `using` block. */
export function fakeStorage(): FakeStorage {
  const clock = fakeClock();
  const dir = join(tmpdir(), `infra-storage-${randomUUID()}`);
  const secret = 'the secret of a fake storage';
  const storage = createStorage({
    driver: fsDriver({ dir, url: '/storage', secret, clock, durable: false }),
    clock,
    env: {},
  });
  const putBack = handle.swap(storage);
  let restored = false;
  const restore = (): void => {
    if (restored) return;
    restored = true;
    putBack();
    void storage.close();
    rmSync(dir, { recursive: true, force: true });
  };
  return {
    ...storage,
    clock,
    async assertStored(key, content) {
      const info = await storage.info(key);
      assert.ok(info, `expected a file to be stored under "${key}"`);
      const seen = await (await storage.get(key)).bytes();
      const what = `unexpected content stored under "${key}"`;
      if (typeof content === 'string') assert.equal(new TextDecoder().decode(seen), content, what);
      else if (isUint8Array(content)) assert.deepEqual(Buffer.from(seen), Buffer.from(content), what);
      return info;
    },
    async assertMissing(key) {
      assert.equal(await storage.info(key), undefined, `expected no file to be stored under "${key}"`);
    },
    restore,
    [Symbol.dispose]: restore,
  };
}
