import { InfraError, messageOf } from './core.ts';

/** A text as it is shown in a message: quoted, escaped, at most 60 characters. */
const shown = (value: unknown): string =>
  typeof value !== 'string'
    ? `a ${value === null ? 'null' : typeof value}`
    : JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);

/** A key that no driver takes. */
export class StorageKeyError extends InfraError {
  constructor(key: unknown, problem: string) {
    super(`${shown(key)} is no storage key: ${problem}.`, {
      code: 'E_STORAGE_KEY',
      help: "Use a relative path such as 'users/1/avatar.png', up to 1024 bytes, without '.', '..' and empty parts.",
    });
  }
}

/** A prefix that would also match neighbours: `users/1` is the start of `users/10` too. */
export class StoragePrefixError extends InfraError {
  constructor(prefix: unknown) {
    super(`${shown(prefix)} is no prefix.`, {
      code: 'E_STORAGE_PREFIX',
      help: "End it in '/', as in 'users/1/'. Only list() also takes the empty prefix, for everything.",
    });
  }
}

/** No file is stored under the key. */
export class StorageNotFoundError extends InfraError {
  readonly key: string;
  constructor(key: string, cause?: unknown) {
    super(`No file is stored under ${shown(key)}.`, { code: 'E_STORAGE_NOT_FOUND', cause });
    this.key = key;
  }
}

/** A write with `ifAbsent` found a file. */
export class StorageExistsError extends InfraError {
  readonly key: string;
  constructor(key: string) {
    super(`A file is stored under ${shown(key)} already.`, {
      code: 'E_STORAGE_EXISTS',
      help: 'Choose another key, or leave out `ifAbsent` to replace it.',
    });
    this.key = key;
  }
}

/** A call with `ifMatch` found another version of the file, or none. */
export class StorageConflictError extends InfraError {
  readonly key: string;
  constructor(key: string, expected: string, found: string | undefined) {
    super(`${shown(key)} is ${found ? `version ${found}` : 'gone'}, not version ${expected}.`, {
      code: 'E_STORAGE_CONFLICT',
      help: 'Read it again, apply the change to what you read, and write with the new etag.',
    });
    this.key = key;
  }
}

/** A body of more bytes than `maxBytes`. */
export class StorageTooLargeError extends InfraError {
  readonly key: string;
  readonly maxBytes: number;
  constructor(key: string, maxBytes: number) {
    super(`The body for ${shown(key)} has more than ${maxBytes} bytes.`, {
      code: 'E_STORAGE_TOO_LARGE',
      help: 'Send less, or raise `maxBytes`.',
    });
    this.key = key;
    this.maxBytes = maxBytes;
  }
}

/** The body's digest is not the one given as `checksum`; nothing was stored. */
export class StorageChecksumError extends InfraError {
  constructor(key: string, expected: string, found: string) {
    super(`The body for ${shown(key)} has ${found}, expected ${expected}.`, {
      code: 'E_STORAGE_CHECKSUM',
      retryable: true,
      help: 'It changed or was cut on the way: send it again.',
    });
  }
}

/** A body that is none of the accepted kinds, or has been read already. */
export class StorageBodyError extends InfraError {
  constructor(problem: string) {
    const help =
      'Give a string, Uint8Array, Blob, unread web or Node stream, or an async iterable of Uint8Array.';
    super(`Cannot store ${problem}.`, { code: 'E_STORAGE_BODY', help });
  }
}

/** An option with a value that cannot be used. */
export class StorageOptionError extends InfraError {
  constructor(option: string, problem: string, help: string) {
    super(`The option ${option} ${problem}.`, { code: 'E_STORAGE_OPTION', help });
  }
}

/** A range that starts behind the end of the file. */
export class StorageRangeError extends InfraError {
  readonly size: number;
  constructor(key: string, start: number, size: number) {
    const help = 'Ask for a range that starts before the end.';
    super(`${shown(key)} has ${size} bytes, none at ${start}.`, { code: 'E_STORAGE_RANGE', help });
    this.size = size;
  }
}

/** The file does not hold what `json()` was asked for. */
export class StorageContentError extends InfraError {
  constructor(key: string, problem: string, cause?: unknown) {
    super(`${shown(key)} does not hold what was asked for: ${problem}.`, {
      code: 'E_STORAGE_CONTENT',
      cause,
    });
  }
}

/** What `get()` returned was read twice, or first read after its time. */
export class StorageReadError extends InfraError {
  constructor(key: string, problem: string) {
    const help = 'Read it once, right after get(); call get() again for another look.';
    super(`The body of ${shown(key)} ${problem}.`, { code: 'E_STORAGE_READ', help });
  }
}

/** A write through `storage.readOnly()`. */
export class StorageReadOnlyError extends InfraError {
  constructor(operation: string) {
    super(`Cannot ${operation}: this storage is read-only.`, { code: 'E_STORAGE_READ_ONLY' });
  }
}

/** A signed URL that would live for less than a second or more than seven days. */
export class StorageExpiryError extends InfraError {
  constructor(expiresIn: unknown, cause?: unknown) {
    super(`A signed URL cannot expire in ${String(expiresIn)}.`, {
      code: 'E_STORAGE_EXPIRY',
      help: "Give `expiresIn` as 1 second to 7 days: '15m', '1h', '7d'.",
      cause,
    });
  }
}

/** A request whose signature is missing, wrong or expired. */
export class StorageSignatureError extends InfraError {
  constructor(problem: string) {
    super(`The signed URL ${problem}.`, { code: 'E_STORAGE_SIGNATURE', help: 'Ask for a new one.' });
  }
}

/** A signed upload of a content type it was not signed for. */
export class StorageTypeError extends InfraError {
  constructor(type: string | null, allowed: readonly string[]) {
    const help = `Send a Content-Type of ${allowed.join(', ')}.`;
    super(`${type ? shown(type) : 'A body without a content type'} is not allowed here.`, {
      code: 'E_STORAGE_TYPE',
      help,
    });
  }
}

/** A request to the handler with a method it does not serve. */
export class StorageMethodError extends InfraError {
  constructor(method: string) {
    super(`${method} is not served here.`, { code: 'E_STORAGE_METHOD', help: 'Use GET, HEAD or PUT.' });
  }
}

/** In production the filesystem driver signs only with a secret that was given to it. */
export class StorageSecretRequiredError extends InfraError {
  constructor() {
    super('STORAGE_SECRET is not set, and NODE_ENV is production.', {
      code: 'E_STORAGE_SECRET_REQUIRED',
      help: 'Set it to 16 random characters or more, the same on every instance: it signs the URLs of files.',
    });
  }
}

/** A symbolic link inside the storage folder: following it could lead anywhere. */
export class StorageLinkError extends InfraError {
  constructor(key: string, path: string) {
    super(`${shown(key)} leads over a symbolic link (${path}).`, {
      code: 'E_STORAGE_LINK',
      help: 'Remove the link. STORAGE_DIR itself may be one.',
    });
  }
}

/** A file in the storage folder that this driver did not write, or that was changed behind its back. */
export class StorageDamagedError extends InfraError {
  constructor(key: string, path: string) {
    super(`What is kept under ${shown(key)} is not as it was written (${path}).`, {
      code: 'E_STORAGE_DAMAGED',
      help: 'Restore it from a backup or delete it. Change files through storage alone.',
    });
  }
}

/** The place where files are kept does not answer as it should: disk full, no permission, server gone. */
export class StorageUnavailableError extends InfraError {
  constructor(what: string, cause: unknown) {
    super(`Cannot ${what}: ${messageOf(cause)}.`, { code: 'E_STORAGE_UNAVAILABLE', retryable: true, cause });
  }
}

/** The store knows the request and does not want to: an access key that is wrong, has expired or may not do this. */
export class StorageAccessError extends InfraError {
  constructor(what: string, bucket: string, code: string) {
    super(`Cannot ${what}: access to the bucket "${bucket}" is denied${code ? ` (${code})` : ''}.`, {
      code: 'E_STORAGE_ACCESS',
      help: "Check S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY and S3_SESSION_TOKEN, what the key may do, and this machine's clock.",
    });
  }
}

/** The bucket is not there. */
export class StorageBucketError extends InfraError {
  constructor(bucket: string, problem: string) {
    const help = 'Check S3_BUCKET, S3_ENDPOINT and S3_REGION, or make it with storage.ensureBucket().';
    super(`The bucket "${bucket}" ${problem}.`, { code: 'E_STORAGE_BUCKET', help });
  }
}

/** The store refused a request for a reason of its own: a quota, a policy, a feature that it lacks. */
export class StorageRefusedError extends InfraError {
  constructor(what: string, answer: string) {
    super(`Cannot ${what}: the store answered ${answer}.`, { code: 'E_STORAGE_REFUSED' });
  }
}

/** A library, or a part of this package, that is not there or not for this machine. */
export class StorageLibraryError extends InfraError {
  constructor(name: string, cause: unknown) {
    const help = 'Install again on the machine that runs it.';
    super(`${name} cannot be loaded.`, { code: 'E_STORAGE_LIBRARY', help, cause });
  }
}

/** The storage was used after close(). */
export class StorageClosedError extends InfraError {
  constructor() {
    const help = 'Create another one, or close it later.';
    super('The storage is closed.', { code: 'E_STORAGE_CLOSED', help });
  }
}

/** Loads a library, or a part of this package. @throws {@link StorageLibraryError} `E_STORAGE_LIBRARY` when it cannot be */
export async function library<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new StorageLibraryError(name, cause);
  }
}
