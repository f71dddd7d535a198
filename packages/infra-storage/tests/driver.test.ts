import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@vibeonrails/infra-core';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { fsDriver } from '../src/drivers/fs.ts';
import { storageDriverSuite } from '../src/testing.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'infra storage '));
});
afterAll(async () => {
  await rm(home, { recursive: true, force: true });
});

for (const durable of [true, false])
  storageDriverSuite({ describe, it }, durable ? 'fs' : 'fs, not durable', () => {
    const dir = join(home, randomUUID());
    return {
      driver: fsDriver({ dir, url: '/storage', secret: 'a secret for tests', clock: systemClock, durable }),
      leftovers: async () => [...(await readdir(join(dir, 'tmp'))), ...(await readdir(join(dir, 'locks')))],
    };
  });
