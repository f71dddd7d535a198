import type { IncomingHttpHeaders } from 'node:http';
import type { DriverPutOptions, FileInfo } from '../../driver.ts';
import { bareEtag } from './xml.ts';

const META = 'x-amz-meta-';

/** The headers that keep what belongs to a file. */
export function headersOf(options: DriverPutOptions): Record<string, string> {
  const { contentType, cacheControl, disposition, metadata } = options;
  const headers: Record<string, string> = { 'content-type': contentType };
  if (cacheControl !== undefined) headers['cache-control'] = cacheControl;
  if (disposition !== undefined) headers['content-disposition'] = disposition;
  for (const [name, value] of Object.entries(metadata)) headers[META + name] = encodeValue(value);
  return headers;
}

/** The headers that make a write conditional. The etag goes without quotes: Ceph takes them for a part of it. */
export function conditionsOf({ ifAbsent, ifMatch }: DriverPutOptions): Record<string, string> {
  if (ifAbsent) return { 'if-none-match': '*' };
  return ifMatch === undefined ? {} : { 'if-match': ifMatch };
}

/** What the headers of a GET or HEAD tell. */
export function infoOf(key: string, headers: IncomingHttpHeaders): FileInfo {
  const metadata = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(META) ? [[name.slice(META.length), decodeValue(String(value))] as const] : [],
  );
  const whole = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  const { 'cache-control': cacheControl, 'content-disposition': disposition } = headers;
  return {
    key,
    size: Number(whole ?? headers['content-length']),
    etag: bareEtag(headers.etag),
    contentType: headers['content-type'] ?? 'application/octet-stream',
    lastModified: new Date(headers['last-modified'] ?? 0),
    metadata: Object.fromEntries(metadata),
    ...(cacheControl ? { cacheControl } : {}),
    ...(disposition ? { disposition } : {}),
  };
}

/** A header holds ASCII, and loses spaces at its ends and their number inside: what it cannot hold is percent-encoded. */
const encodeValue = (value: string): string =>
  value.replaceAll(/[^\x20-\x7e]+|%|^ | $| (?= )/gu, encodeURIComponent);

/** Somebody else's value may hold a percent sign that means itself. */
function decodeValue(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
