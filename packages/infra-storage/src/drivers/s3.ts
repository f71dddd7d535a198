import type { IncomingMessage } from 'node:http';
import type { Clock } from '../core.ts';
import type { DriverFile, DriverGetOptions, DriverPutOptions, FileInfo, StorageDriver } from '../driver.ts';
import {
  StorageBucketError,
  StorageConflictError,
  StorageNotFoundError,
  StorageRangeError,
  StorageUnavailableError,
} from '../errors.ts';
import { checkConditions } from './conditions.ts';
import { encodePath, type S3Account } from './s3/address.ts';
import { bodyOf } from './s3/body.ts';
import { deleteKeys } from './s3/delete.ts';
import { infoOf } from './s3/headers.ts';
import { listPage } from './s3/list.ts';
import { abortUpload, openUploads, stat } from './s3/objects.ts';
import { signedUpload, signedUrl } from './s3/sign.ts';
import { errorCodeOf, openStore, type Store } from './s3/store.ts';
import { uploadBody } from './s3/upload.ts';
import { bareEtag, textOf } from './s3/xml.ts';

/** How the S3 driver is made. */
export interface S3DriverOptions {
  readonly account: S3Account;
  /** Milliseconds in which nothing moves, after which the store counts as gone. */
  readonly timeout: number;
  readonly clock: Clock;
  /** The largest file that the store copies by itself, in bytes. @default 5 GiB, as S3 has it */
  readonly copyLimit?: number;
}

/** How often a file may be replaced between a look at it and its copy. */
const ATTEMPTS = 5;

/** Keeps files in a bucket of an S3-compatible store, which answers signed URLs itself. */
export function s3Driver({
  account,
  timeout,
  clock,
  copyLimit = 5 * 2 ** 30,
}: S3DriverOptions): StorageDriver {
  const store = openStore(account, timeout);
  let reached = false;

  async function get(key: string, options: DriverGetOptions = {}): Promise<DriverFile> {
    const { range, ifMatch, signal } = options;
    const what = `read ${JSON.stringify(key)}`;
    const res = await store.open({
      what,
      method: 'GET',
      key,
      headers: {
        ...(range ? { range: `bytes=${range.start}-${range.end ?? ''}` } : {}),
        ...(ifMatch === undefined ? {} : { 'if-match': `"${ifMatch}"` }),
      },
      expected: range ? [200, 206, 404, 412, 416] : [200, 404, 412],
      signal,
    });
    if (res.statusCode === 200 || res.statusCode === 206)
      return { info: infoOf(key, res.headers), body: bodyOf(res, what, signal) };
    return notRead(store, key, options, res);
  }

  async function put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    options: DriverPutOptions,
  ): Promise<FileInfo> {
    // Before the body is read, to spare its reading; the store looks again when it counts.
    if (options.ifAbsent || options.ifMatch !== undefined)
      checkConditions(key, await stat(store, key, options.signal), options);
    return uploadBody({ store, key, options }, body);
  }

  const driver: StorageDriver = {
    name: 's3',
    async ready() {
      if (!reached) await checkBucket(store);
      reached = true;
    },
    put,
    get,
    info: (key, { signal } = {}) => stat(store, key, signal),
    list: (options) => listPage(store, options),
    async copy(from, to, { signal } = {}) {
      for (let attempt = 1; ; attempt += 1) {
        const info = await stat(store, from, signal);
        if (!info) throw new StorageNotFoundError(from);
        if (from === to) return info;
        const { size, etag } = info;
        if (size > copyLimit) {
          const { body } = await get(from, { ifMatch: etag, signal });
          return put(to, body, { ...info, size, signal }).finally(() => body.destroy());
        }
        const copied = await copyObject(store, info, to, signal);
        if (copied) return copied;
        if (attempt === ATTEMPTS) throw new StorageConflictError(from, etag, undefined);
      }
    },
    delete: (keys, options = {}) => deleteKeys(store, keys, options),
    signedUrl: (key, options) => signedUrl(store, key, options, clock.now()),
    signedUpload: (key, options) => signedUpload(store, key, options, clock.now()),
    async ensureBucket() {
      if (await hasBucket(store)) return;
      await makeBucket(store);
      await checkBucket(store);
    },
    async sweepUploads(before, { signal } = {}) {
      let swept = 0;
      for await (const { key, uploadId, begun } of openUploads(store, { signal })) {
        if (begun.getTime() > before) continue;
        await abortUpload(store, key, uploadId);
        swept += 1;
      }
      return swept;
    },
    ping: ({ signal } = {}) => checkBucket(store, signal),
    close: async () => store.close(),
  };
  return driver;
}

/** Says why a GET has no file. */
async function notRead(
  store: Store,
  key: string,
  { range, ifMatch, signal }: DriverGetOptions,
  res: IncomingMessage,
): Promise<never> {
  const { statusCode: status } = res;
  let text = '';
  for await (const chunk of res) text += String(chunk);
  if (status === 404) {
    if (text.includes('NoSuchBucket')) throw new StorageBucketError(store.account.bucket, 'does not exist');
    if (ifMatch !== undefined) throw new StorageConflictError(key, ifMatch, undefined);
    throw new StorageNotFoundError(key);
  }
  const found = await stat(store, key, signal);
  if (status === 412) throw new StorageConflictError(key, ifMatch ?? '', found?.etag);
  if (!found) throw new StorageNotFoundError(key);
  throw new StorageRangeError(key, range?.start ?? 0, found.size);
}

/** Copies inside of the store; `undefined` when the file is no longer the one that was looked at. */
async function copyObject(
  store: Store,
  info: FileInfo,
  to: string,
  signal: AbortSignal | undefined,
): Promise<FileInfo | undefined> {
  const what = `copy ${JSON.stringify(info.key)} to ${JSON.stringify(to)}`;
  const answer = await store.send({
    what,
    method: 'PUT',
    key: to,
    headers: {
      'x-amz-copy-source': `/${store.account.bucket}/${encodePath(info.key)}`,
      'x-amz-copy-source-if-match': `"${info.etag}"`,
    },
    expected: [200, 404, 412],
    slow: true,
    signal,
  });
  if (answer.status !== 200) return undefined;
  const code = errorCodeOf(answer);
  if (code === 'PreconditionFailed' || code === 'NoSuchKey') return undefined;
  if (code !== '') throw new StorageUnavailableError(what, `the store answered ${code}`);
  return {
    ...info,
    key: to,
    etag: bareEtag(textOf(answer.text, 'ETag')),
    lastModified: new Date(textOf(answer.text, 'LastModified') ?? Date.now()),
  };
}

async function hasBucket(store: Store, signal?: AbortSignal): Promise<boolean> {
  const what = `reach the bucket "${store.account.bucket}"`;
  const { status } = await store.send({ what, method: 'HEAD', expected: [200, 404], signal });
  return status === 200;
}

async function checkBucket(store: Store, signal?: AbortSignal): Promise<void> {
  if (!(await hasBucket(store, signal))) throw new StorageBucketError(store.account.bucket, 'does not exist');
}

async function makeBucket(store: Store): Promise<void> {
  const { bucket, endpoint, region } = store.account;
  // Amazon wants to be told its region once more, except its first; others do not know the element.
  const constraint = `<CreateBucketConfiguration><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`;
  const isNamed = endpoint === undefined && region !== 'us-east-1';
  await store.send({
    what: `make the bucket "${bucket}"`,
    method: 'PUT',
    ...(isNamed ? { body: Buffer.from(constraint) } : {}),
    // Somebody else was faster, or owns the name: checkBucket() tells which.
    expected: [200, 409],
  });
}
