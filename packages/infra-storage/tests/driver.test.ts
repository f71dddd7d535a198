import { systemClock } from '@vibeonrails/infra-core';
import { describeWith } from '@vibeonrails/services/vitest';
import { describe, it } from 'vitest';
import { fsDriver } from '../src/drivers/fs.ts';
import { storageDriverSuite } from '../src/testing.ts';
import { newBucket } from './s3.ts';
import { leftovers, temporaryFolders } from './temporary.ts';

const newFolder = temporaryFolders();

// Not durable, to spare thousands of syncs; the other tests of this package are.
storageDriverSuite({ describe, it }, 'fs', () => {
  const dir = newFolder();
  const secret = 'a secret for tests';
  return {
    driver: fsDriver({ dir, url: '/storage', secret, clock: systemClock, durable: false }),
    leftovers: () => leftovers(dir),
  };
});

describeWith('s3', 'on Ceph', (server) => {
  storageDriverSuite({ describe, it }, 's3', () => newBucket(server()));
});
