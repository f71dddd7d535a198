import { guessContentType, isAllowed, isMediaType } from './content-type.ts';
import { type Clock, type Duration, toMs } from './core.ts';
import type { ByteRange, DriverPutOptions, DriverUploadOptions } from './driver.ts';
import { StorageExpiryError, StorageOptionError } from './errors.ts';
import type { ListOptions, PutOptions, SignedUploadOptions } from './files.ts';
import type { Body } from './input.ts';

/** What every store takes as the metadata of one file, names and encoded values together. */
const MAX_METADATA = 2048;
const MAX_HEADER = 1024;
const SHORTEST = 1000;
const LONGEST = 7 * 24 * 60 * 60 * 1000;

/** Checks the options of a write and completes them. @throws `E_STORAGE_OPTION` */
export async function putOptions(key: string, body: Body, options: PutOptions): Promise<DriverPutOptions> {
  const { contentType, cacheControl, disposition, ifAbsent, ifMatch, signal, maxBytes } = options;
  if (contentType !== undefined && !isMediaType(contentType))
    throw new StorageOptionError('contentType', 'is no media type', "Give one such as 'image/png'.");
  if (ifAbsent && ifMatch !== undefined)
    throw new StorageOptionError('ifAbsent', 'contradicts ifMatch', 'Give one of the two.');
  if (maxBytes !== undefined) wholeNumber('maxBytes', maxBytes, 0);
  return {
    contentType: contentType ?? (await guessContentType(key, body)),
    metadata: checkMetadata(options.metadata ?? {}),
    cacheControl: headerValue('cacheControl', cacheControl),
    disposition: headerValue('disposition', disposition),
    ifAbsent,
    ifMatch: etagOf(ifMatch),
    signal,
  };
}

/** An etag as drivers have it: without the quotes of the HTTP header. */
export const etagOf = (etag: string | undefined): string | undefined =>
  etag?.replace(/^(?:W\/)?"(.*)"$/, '$1');

/** Names in lower case, as an object store returns them. */
function checkMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const checked: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) {
    if (!/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i.test(name))
      throw new StorageOptionError(
        `metadata.${name}`,
        'has no usable name',
        'Use letters, digits and dashes.',
      );
    if (typeof value !== 'string' || /[\p{Control}\p{Surrogate}]/u.test(value))
      throw new StorageOptionError(
        `metadata.${name}`,
        'is no line of text',
        'Give a text without line breaks.',
      );
    bytes += name.length + encodeURIComponent(value).length;
    checked[name.toLowerCase()] = value;
  }
  if (bytes <= MAX_METADATA) return checked;
  throw new StorageOptionError(
    'metadata',
    `has ${bytes} bytes`,
    `Keep it to ${MAX_METADATA} bytes in all, URL-encoded.`,
  );
}

function headerValue(option: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (
    typeof value === 'string' &&
    value.length <= MAX_HEADER &&
    /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)
  )
    return value;
  throw new StorageOptionError(option, 'is no header value', 'Give printable ASCII text.');
}

/** Checks a range: whole numbers, the end not before the start. @throws `E_STORAGE_OPTION` */
export function checkRange(range: ByteRange | undefined): ByteRange | undefined {
  if (range === undefined) return undefined;
  wholeNumber('range.start', range.start, 0);
  if (range.end !== undefined) wholeNumber('range.end', range.end, range.start);
  return range;
}

/** The limit of a listing. @throws `E_STORAGE_OPTION` */
export function checkLimit({ limit, delimiter }: ListOptions): number {
  if (delimiter !== undefined && delimiter !== '/')
    throw new StorageOptionError('delimiter', "is not '/'", "Leave it out, or give '/'.");
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  wholeNumber('limit', limit, 1);
  return limit;
}

function wholeNumber(option: string, value: number, min: number): void {
  if (!Number.isSafeInteger(value) || value < min)
    throw new StorageOptionError(option, `is ${String(value)}`, `Give a whole number of ${min} or more.`);
}

/** When a signed URL ends. @throws `E_STORAGE_EXPIRY` */
export function expiryOf(expiresIn: Duration, clock: Clock): number {
  let ms: number;
  try {
    ms = toMs(expiresIn);
  } catch (cause) {
    throw new StorageExpiryError(expiresIn, cause);
  }
  if (ms < SHORTEST || ms > LONGEST) throw new StorageExpiryError(expiresIn);
  return clock.now() + ms;
}

/** Checks the limits of an upload. @throws `E_STORAGE_OPTION` */
export function uploadOptions(options: SignedUploadOptions, expiresAt: number): DriverUploadOptions {
  const { maxBytes, types, size, type, base } = options;
  wholeNumber('maxBytes', maxBytes, 1);
  const isType = (type: unknown): boolean =>
    typeof type === 'string' && (isMediaType(type) || type === '*/*') && !/[,;]/.test(type);
  if (!Array.isArray(types) || types.length === 0 || !types.every(isType))
    throw new StorageOptionError(
      'types',
      'is no list of media types',
      "Give some such as ['image/png', 'image/jpeg'], or ['image/*'].",
    );
  if (size !== undefined) wholeNumber('size', size, 0);
  if (size !== undefined && size > maxBytes)
    throw new StorageOptionError('size', `is ${size}`, `Give maxBytes (${maxBytes}) or less.`);
  if (type !== undefined && !(isMediaType(type) && isAllowed(type, types)))
    throw new StorageOptionError('type', 'is none of `types`', `Give one of ${types.join(', ')}.`);
  return { expiresAt, maxBytes, types, size, type, base };
}
