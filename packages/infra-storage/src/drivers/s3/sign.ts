import { createHash, createHmac } from 'node:crypto';
import { attachment } from '../../disposition.ts';
import type { DriverSignOptions, DriverUploadOptions, SignedUpload } from '../../driver.ts';
import { StorageOptionError } from '../../errors.ts';
import { queryOf, type S3Account } from './address.ts';
import type { Store } from './store.ts';

/** The most that a store signs for: 7 days in seconds. */
const LONGEST = 604_800;

/** From when, and for how many whole seconds, a URL works. */
function term(expiresAt: number, now: number): { date: Date; seconds: number } {
  const start = Math.floor(now / 1000);
  return { date: new Date(start * 1000), seconds: Math.min(Math.ceil(expiresAt / 1000) - start, LONGEST) };
}

/** A URL that reads a file, answered by the store. */
export async function signedUrl(
  store: Store,
  key: string,
  { expiresAt, download }: DriverSignOptions,
  now: number,
): Promise<string> {
  const { date, seconds } = term(expiresAt, now);
  const query: Record<string, string> =
    download === undefined ? {} : { 'response-content-disposition': attachment(download) };
  return store.presigned('GET', key, seconds, query, date);
}

/**
 * A URL that takes one body of the size and type it was signed for. A store has no other limits to sign, hence both
 * must be known; and the client signs no such headers, hence the signature is made here (AWS Signature Version 4).
 */
export async function signedUpload(
  store: Store,
  key: string,
  { expiresAt, size, type }: DriverUploadOptions,
  now: number,
): Promise<SignedUpload> {
  if (size === undefined || type === undefined)
    throw new StorageOptionError(
      size === undefined ? 'size' : 'type',
      'is missing',
      "An S3 store signs no upper limit and no list of types: give the file's exact `size` and `type`.",
    );
  const { date, seconds } = term(expiresAt, now);
  // Where the bucket is, the client knows; its signature goes.
  const place = new URL(await store.presigned('PUT', key, seconds, {}, date));
  const headers = { 'content-length': String(size), 'content-type': type, host: place.host };
  const url = presign(store.account, place, headers, date, seconds);
  return {
    url,
    method: 'PUT',
    headers: { 'content-type': type },
    expiresAt: new Date(date.getTime() + seconds * 1000),
  };
}

/** Signs a PUT with these headers, which the request must then have. */
function presign(
  account: S3Account,
  place: URL,
  headers: Readonly<Record<string, string>>,
  date: Date,
  seconds: number,
): string {
  const time = date.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const scope = `${time.slice(0, 8)}/${account.region}/s3/aws4_request`;
  const names = Object.keys(headers).sort();
  const query = queryOf({
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${account.accessKeyId}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': seconds,
    'X-Amz-Security-Token': account.sessionToken,
    'X-Amz-SignedHeaders': names.join(';'),
  });
  const lines = names.map((name) => `${name}:${headers[name]}\n`).join('');
  const canonical = ['PUT', place.pathname, query, lines, names.join(';'), 'UNSIGNED-PAYLOAD'].join('\n');
  const text = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join(
    '\n',
  );
  const key = scope
    .split('/')
    .reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${account.secretAccessKey}`);
  return `${place.origin}${place.pathname}?${query}&X-Amz-Signature=${hmac(key, text).toString('hex')}`;
}

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
