import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { once } from '../../core.ts';
import {
  StorageAccessError,
  StorageBucketError,
  StorageRefusedError,
  StorageUnavailableError,
} from '../../errors.ts';
import { endpointOf, queryOf, type S3Account } from './address.ts';
import { type MinioClient, minioClient } from './minio.ts';
import { type Attempt, isTemporary, SilenceError, transport } from './transport.ts';
import { textOf } from './xml.ts';

/** A request to the bucket, or to a key in it. */
interface StoreRequest {
  /** What fails when it does, for messages: "read "k"". */
  readonly what: string;
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly key?: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Statuses that are an answer; all others are errors. @default [200] */
  readonly expected?: readonly number[];
  /** False where a request that arrived twice would do something else than one. @default true */
  readonly repeatable?: boolean;
  /** True where the store works before it answers: on copies, and on putting parts together. */
  readonly slow?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** The bucket as this driver speaks to it. */
export interface Store {
  readonly account: S3Account;
  /** Sends a request, again when that can help, until there is an answer or its time is up. */
  send(request: StoreRequest): Promise<Answer>;
  /** The same; the answer's body is left to the caller. */
  open(request: StoreRequest): Promise<IncomingMessage>;
  presigned(
    method: 'GET' | 'PUT',
    key: string,
    seconds: number,
    query: Record<string, string>,
    date: Date,
  ): Promise<string>;
  /** Loads the client. */
  load(): Promise<MinioClient>;
  close(): void;
}

const ATTEMPTS = 4;
const FIRST_PAUSE = 100;
/** How much longer than others a request marked as slow may take. */
const SLOW = 6;

/** Requests that have not arrived: they can be sent again whatever they do. */
const NEVER_SENT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'];

/** Speaks to a bucket; `timeout` is the time in milliseconds after which a silent store counts as gone. */
export function openStore(account: S3Account, timeout: number): Store {
  const { protocol, hostname, port } = endpointOf(account);
  const wire = transport(protocol === 'https:');
  const load = once(() =>
    minioClient({
      endPoint: hostname.replaceAll(/^\[|\]$/g, ''),
      ...(port === '' ? {} : { port: Number(port) }),
      useSSL: protocol === 'https:',
      accessKey: account.accessKeyId,
      secretKey: account.secretAccessKey,
      ...(account.sessionToken === undefined ? {} : { sessionToken: account.sessionToken }),
      region: account.region,
      pathStyle: account.pathStyle,
      transport: wire,
      retryOptions: { disableRetry: true },
    }),
  );

  async function exchange<T>(request: StoreRequest, use: (res: IncomingMessage) => Promise<T>): Promise<T> {
    const { signal, repeatable = true, slow = false } = request;
    const client = await load();
    const started = Date.now();
    for (let count = 1; ; count += 1) {
      signal?.throwIfAborted();
      const left = timeout - (Date.now() - started);
      const attempt: Attempt = {
        signal,
        silence: Math.max(left, Math.min(timeout, 1000)) * (slow ? SLOW : 1),
      };
      try {
        return await wire.run(attempt, async () => use(await deliver(client, account.bucket, request)));
      } catch (err) {
        signal?.throwIfAborted();
        const pause = FIRST_PAUSE * 2 ** (count - 1) * (0.5 + Math.random());
        const again = count < ATTEMPTS && pause < left && canRepeat(attempt, err, repeatable);
        if (!again) throw failureOf(request, account, attempt, err);
        await sleep(pause, undefined, signal ? { signal } : {}).catch(() => undefined);
      }
    }
  }

  return {
    account,
    load,
    open: (request) => exchange(request, async (res) => res),
    send: (request) =>
      exchange(request, async (res) => ({
        status: res.statusCode ?? 0,
        headers: res.headers,
        text: await readText(res),
      })),
    presigned: async (method, key, seconds, query, date) =>
      (await load()).presignedUrl(method, account.bucket, key, seconds, query, date),
    close: () => wire.close(),
  };
}

/** Every body carries its digest, so that the store refuses one that was damaged on the way. */
function deliver(client: MinioClient, bucket: string, request: StoreRequest): Promise<IncomingMessage> {
  const { method, key, query = {}, headers, body, expected = [200] } = request;
  const digest = body ? { 'content-md5': createHash('md5').update(body).digest('base64') } : {};
  return client.makeRequestAsync(
    {
      method,
      bucketName: bucket,
      ...(key === undefined ? {} : { objectName: key }),
      query: queryOf(query),
      headers: { ...headers, ...digest },
    },
    body ?? '',
    [...expected],
  );
}

async function readText(res: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

const codeOf = (err: unknown): string =>
  typeof err === 'object' && err !== null && 'code' in err ? String(err.code) : '';

function canRepeat({ status }: Attempt, err: unknown, repeatable: boolean): boolean {
  // What kept silent once will again; the caller's time is better spent on knowing it.
  if (err instanceof SilenceError) return false;
  if (status === undefined) return repeatable || NEVER_SENT.includes(codeOf(err));
  // 429 and 503 say that nothing was done.
  return isTemporary(status) && (repeatable || status === 429 || status === 503);
}

/** Codes of a 400 that are about who asks, not what. */
const ACCESS_CODES = ['ExpiredToken', 'InvalidToken', 'InvalidAccessKeyId', 'TokenRefreshRequired'];

function failureOf(request: StoreRequest, account: S3Account, { status }: Attempt, err: unknown): Error {
  const { what } = request;
  const code = codeOf(err);
  if (status === undefined || (status >= 200 && status < 300)) return new StorageUnavailableError(what, err);
  if (isTemporary(status)) return new StorageUnavailableError(what, `the store answered ${status}`);
  if (code === 'NoSuchBucket') return new StorageBucketError(account.bucket, 'does not exist');
  if (status === 301 || status === 307 || code === 'AuthorizationHeaderMalformed')
    return new StorageBucketError(account.bucket, `is not in the region ${account.region}`);
  if (status === 401 || status === 403 || ACCESS_CODES.includes(code)) {
    if (code !== 'QuotaExceeded') return new StorageAccessError(what, account.bucket, code);
  }
  return new StorageRefusedError(what, `${status} ${code}`.trim());
}

/** The code in the XML of an answer that tells of an error. */
export const errorCodeOf = ({ text }: Answer): string =>
  text.includes('<Error') ? (textOf(text, 'Code') ?? '') : '';
