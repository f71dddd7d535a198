import type { Duration } from './core.ts';
import type { ByteRange, DeleteFailure, FileInfo, ListedFile, SignedUpload } from './driver.ts';
import type { Body } from './input.ts';
import type { Checksum, Progress } from './metered.ts';
import type { StoredFile } from './stored-file.ts';

/** How {@link Files.put} writes. */
export interface PutOptions {
  /** @default by the key's extension, else a Blob's own, else `text/plain` for a string, `application/octet-stream` for the rest */
  contentType?: string;
  /** Words of your own, kept with the file: names of letters, digits and dashes, 2 KB in all. */
  metadata?: Readonly<Record<string, string>>;
  /** The Cache-Control header it is served with. */
  cacheControl?: string;
  /** The Content-Disposition header it is served with. */
  disposition?: 'inline' | 'attachment' | (string & {});
  /** Write only where no file is; else `E_STORAGE_EXISTS`. */
  ifAbsent?: boolean;
  /** Write only over the version with this etag; else `E_STORAGE_CONFLICT`. */
  ifMatch?: string;
  /** Refuse a longer body with `E_STORAGE_TOO_LARGE`, as soon as it is known to be one. */
  maxBytes?: number;
  /** Refuse a body with another digest: `sha256:…` or `md5:…` in hex or base64; else `E_STORAGE_CHECKSUM`. */
  checksum?: Checksum;
  /** Ends the write; nothing is stored. */
  signal?: AbortSignal;
  /** Told after each chunk. */
  onProgress?: (progress: Progress) => void;
}

/** How {@link Files.get} reads. */
export interface GetOptions {
  /** Part of the file: from `start` to `end`, both counted in. `E_STORAGE_RANGE` when it starts behind the end. */
  range?: ByteRange;
  /** Read only the version with this etag; else `E_STORAGE_CONFLICT`. */
  ifMatch?: string;
  /** Ends the call, and the reading after it. */
  signal?: AbortSignal;
}

/** What {@link Files.list} lists. */
export interface ListOptions {
  /** Only keys below it; ends in a slash. @default '' everything */
  prefix?: string;
  /** `'/'` folds what lies deeper into `prefixes`, as a file browser shows folders. */
  delimiter?: '/';
  /** Most entries: of the whole iteration, or of one `page()` (at most 1000). */
  limit?: number;
  /** Only keys behind this one. */
  after?: string;
  signal?: AbortSignal;
}

/** One page of a listing. */
export interface ListPage {
  readonly files: readonly ListedFile[];
  /** With a delimiter: what lies deeper, each ending in a slash. */
  readonly prefixes: readonly string[];
  /** Present when there is more: give it to `page()`. */
  readonly next?: string;
}

/** A listing, in order of the keys' UTF-8 bytes. Nothing is asked until it is read. */
export interface Listing extends AsyncIterable<ListedFile> {
  /** One page of up to 1000 entries: the first, or the one behind `next` of another. */
  page(next?: string): Promise<ListPage>;
}

/** How several deletions went. */
export interface DeleteReport {
  /** Keys under which nothing is stored now. */
  readonly deleted: readonly string[];
  readonly failed: readonly DeleteFailure[];
}

/** How {@link Files.signedUrl} signs. */
export interface SignedUrlOptions {
  /** How long it works: 1 second to 7 days. */
  expiresIn: Duration;
  /** Save instead of show: under this file name, or with `true` under the key's last part. */
  download?: string | true;
  /** Put before a URL that is only a path (STORAGE_URL): `https://example.com`. */
  base?: string;
}

/** How {@link Files.signedUpload} signs. */
export interface SignedUploadOptions {
  /** How long it works: 1 second to 7 days. */
  expiresIn: Duration;
  /** Largest body taken, in bytes. */
  maxBytes: number;
  /** Content types taken, such as `image/png` or `image/*`. */
  types: readonly string[];
  /** The file's exact size, at most `maxBytes`. An S3 store needs to be told; elsewhere it is held to it too. */
  size?: number;
  /** The file's exact content type, one of `types`. An S3 store needs to be told; elsewhere it is held to it too. */
  type?: string;
  /** Put before a URL that is only a path (STORAGE_URL): `https://example.com`. */
  base?: string;
}

/**
 * Files under keys. A key is a relative path of up to 1024 bytes; `E_STORAGE_KEY` otherwise.
 * Every call rejects with a coded error, never throws.
 */
export interface Files {
  /** Stores a file as one step, replacing a former one. A stream is read once, and is destroyed when the write fails. */
  put(key: string, body: Body, options?: PutOptions): Promise<FileInfo>;
  /** Opens a file. Read it, or `cancel()` it. @throws `E_STORAGE_NOT_FOUND` */
  get(key: string, options?: GetOptions): Promise<StoredFile>;
  /** What is known of a file; `undefined` when there is none. */
  info(key: string): Promise<FileInfo | undefined>;
  /** True when a file is stored under `key`. */
  exists(key: string): Promise<boolean>;
  /** The files below a prefix: `for await (const file of storage.list({ prefix: 'users/1/' }))`. */
  list(options?: ListOptions): Listing;
  /** Copies a file with its type and metadata. @throws `E_STORAGE_NOT_FOUND` */
  copy(from: string, to: string, options?: { signal?: AbortSignal }): Promise<FileInfo>;
  /** Copies a file, then deletes the first: two steps, since an object store has no rename. @throws `E_STORAGE_NOT_FOUND` */
  move(from: string, to: string, options?: { signal?: AbortSignal }): Promise<FileInfo>;
  /** Deletes a file. A missing one is no error. */
  delete(key: string): Promise<void>;
  /** Deletes files; what fails is in the report. */
  deleteMany(keys: Iterable<string>, options?: { signal?: AbortSignal }): Promise<DeleteReport>;
  /** Deletes everything below a prefix, which must end in a slash. With `dryRun`, only reports what it would delete. */
  deletePrefix(prefix: string, options?: { dryRun?: boolean; signal?: AbortSignal }): Promise<DeleteReport>;
  /** A URL that reads the file until it expires. The file need not be there yet. @throws `E_STORAGE_EXPIRY` */
  signedUrl(key: string, options: SignedUrlOptions): Promise<string>;
  /** A URL to which a client sends one body, within these limits, until it expires. @throws `E_STORAGE_EXPIRY` */
  signedUpload(key: string, options: SignedUploadOptions): Promise<SignedUpload>;
  /** The files below a prefix as files of their own: keys in and out are relative to it, and cannot leave it. */
  scope(prefix: string): Files;
  /** The same files; every write is refused with `E_STORAGE_READ_ONLY`. */
  readOnly(): Files;
}
