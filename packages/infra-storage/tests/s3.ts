import { randomUUID } from 'node:crypto';
import { systemClock } from '@vibeonrails/infra-core';
import type { RunningS3 } from '@vibeonrails/services';
import type { S3Account } from '../src/drivers/s3/address.ts';
import { openUploads } from '../src/drivers/s3/objects.ts';
import { openStore } from '../src/drivers/s3/store.ts';
import { s3Driver } from '../src/drivers/s3.ts';
import type { StorageDriver } from '../src/index.ts';

/** The account of a server, with a bucket that nobody else has. */
export const accountAt = (server: RunningS3, bucket = `test-${randomUUID()}`): S3Account => ({
  bucket,
  endpoint: server.endpoint,
  region: server.region,
  accessKeyId: server.accessKeyId,
  secretAccessKey: server.secretAccessKey,
  pathStyle: true,
});

/** A driver over a new bucket. */
export async function newBucket(
  server: RunningS3,
): Promise<{ account: S3Account; driver: StorageDriver; leftovers: () => Promise<string[]> }> {
  const account = accountAt(server);
  const driver = s3Driver({ account, timeout: 20_000, clock: systemClock });
  await driver.ensureBucket();
  return { account, driver, leftovers: () => uploadsIn(account) };
}

/** Uploads of the bucket that were begun and not ended. */
export async function uploadsIn(account: S3Account): Promise<string[]> {
  const store = openStore(account, 20_000);
  try {
    const keys: string[] = [];
    for await (const { key } of openUploads(store)) keys.push(key);
    return keys;
  } finally {
    store.close();
  }
}
