/** What is known of a stored file. */
export interface FileInfo {
  readonly key: string;
  /** Bytes of the whole file. */
  readonly size: number;
  /** Changes whenever the content does. Opaque, without quotes. */
  readonly etag: string;
  readonly contentType: string;
  /** By the store's clock; from `put` it may differ by a second or two from what is told later. */
  readonly lastModified: Date;
  /** What `put` was given, names in lower case. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly cacheControl?: string;
  /** The Content-Disposition header the file is served with. */
  readonly disposition?: string;
}

/** A row of a listing: what every store can tell without opening the file. */
export type ListedFile = Pick<FileInfo, 'key' | 'size' | 'etag' | 'lastModified'>;

/** Bytes `start` to `end`, both counted in, from 0. Without `end`, to the end of the file. */
export interface ByteRange {
  readonly start: number;
  readonly end?: number;
}

/** What a driver's calls share. */
export interface DriverCallOptions {
  /** Aborting makes the call reject with the signal's reason, soon, and leave nothing behind. */
  readonly signal?: AbortSignal | undefined;
}

/** How {@link StorageDriver.put} writes. All values have been checked. */
export interface DriverPutOptions extends DriverCallOptions {
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly cacheControl?: string | undefined;
  readonly disposition?: string | undefined;
  /** Bytes to come, where that is known before. */
  readonly size?: number | undefined;
  /** Write only where no file is. */
  readonly ifAbsent?: boolean | undefined;
  /** Write only over the version with this etag. */
  readonly ifMatch?: string | undefined;
}

/** How {@link StorageDriver.get} reads. */
export interface DriverGetOptions extends DriverCallOptions {
  readonly range?: ByteRange | undefined;
  /** Read only the version with this etag. */
  readonly ifMatch?: string | undefined;
}

/** A stream of bytes: a `Readable` of `node:stream`, as far as it is used. Its own types would ask users for Node's. */
export interface ByteStream extends AsyncIterable<Uint8Array> {
  on(event: 'error', listener: () => void): unknown;
  once(event: 'close', listener: () => void): unknown;
  destroy(error?: Error): unknown;
}

/** What {@link StorageDriver.get} found. */
export interface DriverFile {
  readonly info: FileInfo;
  /** The bytes asked for. Destroying it frees what it holds. */
  readonly body: ByteStream;
}

/** What {@link StorageDriver.list} is asked. */
export interface DriverListOptions extends DriverCallOptions {
  /** Empty, or ends in a slash. */
  readonly prefix: string;
  /** True to fold keys with a further slash into one prefix each. */
  readonly folders: boolean;
  /** Most entries (files and prefixes) of the page: 1 to 1000. */
  readonly limit: number;
  /** Only keys behind this one, in order of their UTF-8 bytes. */
  readonly after?: string | undefined;
  /** `next` of the page before; it stands in for `after`. */
  readonly token?: string | undefined;
}

/** One page of a listing, in order of the keys' UTF-8 bytes. */
export interface DriverPage {
  readonly files: readonly ListedFile[];
  /** What was folded: each ends in a slash. */
  readonly prefixes: readonly string[];
  /** Opaque; present when there is more. */
  readonly next?: string | undefined;
}

/** A key that could not be deleted. */
export interface DeleteFailure {
  readonly key: string;
  readonly error: Error;
}

/** How {@link StorageDriver.signedUrl} signs. */
export interface DriverSignOptions {
  /** When it stops working: milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Save it under this name instead of showing it. */
  readonly download?: string | undefined;
  /** Put before a URL that is only a path: `https://example.com`. */
  readonly base?: string | undefined;
}

/** How {@link StorageDriver.signedUpload} signs. */
export interface DriverUploadOptions {
  readonly expiresAt: number;
  /** Largest body taken, in bytes. */
  readonly maxBytes: number;
  /** Content types taken: `image/png`, or `image/*`. Never empty. */
  readonly types: readonly string[];
  /** The size of the body, within `maxBytes`: no other is taken. */
  readonly size?: number | undefined;
  /** Its content type, one of `types`: no other is taken. */
  readonly type?: string | undefined;
  readonly base?: string | undefined;
}

/** How a client uploads: one request with this method and these headers to this URL, the file as its body. */
export interface SignedUpload {
  readonly url: string;
  readonly method: 'PUT';
  /** To send with it; where the `type` was not signed, beside the file's own Content-Type. */
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresAt: Date;
}

/** A request to a signed URL, as far as its signature goes. */
export interface SignedRequest {
  readonly method: 'GET' | 'PUT';
  /** Path of the request, as it came: percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/** What a signature allows. */
export interface SignedGrant {
  readonly key: string;
  readonly download?: string | undefined;
  /** Of an upload. */
  readonly maxBytes?: number | undefined;
  readonly types?: readonly string[] | undefined;
  readonly size?: number | undefined;
}

/**
 * What every storage driver does. The storage above it checks keys and options, counts and digests the body, and
 * turns results into what users see. `storageDriverSuite()` in `./testing` proves a driver.
 *
 * It is made so that an object store fits: no rename, listing by pages with a token, conditions by etag, URLs signed
 * by the store itself. Errors carry the codes named here whatever the store says.
 */
export interface StorageDriver {
  /** Its name in health reports and telemetry. */
  readonly name: string;
  /** Resolves when it can serve; rejects with a coded error when it never will. Idempotent; other calls await it. */
  ready(): Promise<void>;
  /**
   * Stores a file as one step: until it resolves, others see the former file whole, or none; then the new one with its
   * own metadata. Holds a bounded part of the body in memory, and reads on only as fast as it writes. When `body` or
   * `signal` ends it early it rejects with that reason and leaves nothing behind. Rejects with `E_STORAGE_EXISTS` or
   * `E_STORAGE_CONFLICT` when a condition does not hold; of several writers with the same condition one wins.
   */
  put(key: string, body: AsyncIterable<Uint8Array>, options: DriverPutOptions): Promise<FileInfo>;
  /**
   * Opens a file. The body is of the version in `info`, also when it is replaced meanwhile. Rejects with
   * `E_STORAGE_NOT_FOUND`, `E_STORAGE_CONFLICT` (`ifMatch`) or `E_STORAGE_RANGE` (`start` at or behind the end).
   * An `end` behind the end of the file is cut.
   */
  get(key: string, options?: DriverGetOptions): Promise<DriverFile>;
  /** What is known of a file; `undefined` when there is none. */
  info(key: string, options?: DriverCallOptions): Promise<FileInfo | undefined>;
  /** One page of keys. */
  list(options: DriverListOptions): Promise<DriverPage>;
  /** Copies a file with all that belongs to it; the new one is written as `put` writes. Rejects with `E_STORAGE_NOT_FOUND`. */
  copy(from: string, to: string, options?: DriverCallOptions): Promise<FileInfo>;
  /** Deletes files, at most 1000. A missing one counts as deleted. Resolves to those it could not delete. */
  delete(keys: readonly string[], options?: DriverCallOptions): Promise<DeleteFailure[]>;
  /** A URL that reads the file (GET, ranges too) until it expires. The file need not be there yet. */
  signedUrl(key: string, options: DriverSignOptions): Promise<string>;
  /**
   * A URL that stores one body under the key until it expires. Rejects with `E_STORAGE_OPTION` rather than sign less
   * than all limits, where it can only sign an exact `size` and `type`.
   */
  signedUpload(key: string, options: DriverUploadOptions): Promise<SignedUpload>;
  /**
   * What the signature of a request allows. Rejects with `E_STORAGE_SIGNATURE`. Absent where the store itself answers
   * its signed URLs.
   */
  verify?(request: SignedRequest): Promise<SignedGrant>;
  /** Makes the place where files are kept, unless it is there. */
  ensureBucket(): Promise<void>;
  /**
   * Removes what writes that never ended have left, where it is `before` (milliseconds since the epoch) or older.
   * Resolves to how many.
   */
  sweepUploads(before: number, options?: DriverCallOptions): Promise<number>;
  /** A real round trip for the health check, with nothing left of it; rejects with what is wrong. */
  ping(options?: DriverCallOptions): Promise<void>;
  /** Releases connections and timers. Idempotent. */
  close(): Promise<void>;
}
