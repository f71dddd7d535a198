import type { Readable } from 'node:stream';
import { StorageBodyError, StorageKeyError, StoragePrefixError } from './errors.ts';

/**
 * What can be stored. A stream of Node.js is an async iterable. Streams are read once, as fast as they are written, and
 * never held in memory whole.
 */
export type Body = string | Uint8Array | Blob | ReadableStream | AsyncIterable<Uint8Array>;

/** A body as one kind of thing: chunks on demand. */
export interface Source {
  /** Bytes in all, where that is known before. */
  readonly size?: number;
  /** The next chunk. One call at a time. */
  next(): Promise<IteratorResult<Uint8Array, unknown>>;
  /** Frees what the body holds, also while a chunk is awaited. Idempotent, harmless at the end. */
  stop(): void;
}

/** Large arrays go on in pieces of this many bytes, so that progress is seen and an abort takes effect. */
const PIECE = 256 * 1024;

/**
 * Takes hold of a body at once, so that an error it meets before it is read is not lost.
 *
 * @throws {@link StorageBodyError} `E_STORAGE_BODY` when it is none, or has been read already.
 */
export function openBody(body: Body): Source {
  if (typeof body === 'string') return fromBytes(Buffer.from(body));
  if (isUint8Array(body)) return fromBytes(body);
  if (typeof body !== 'object' || body === null) throw new StorageBodyError(`a ${typeof body}`);
  if (isBlob(body)) return { ...fromWeb(body.stream() as ReadableStream), size: body.size };
  if (isWebStream(body)) return fromWeb(body);
  if (isNodeStream(body)) return fromNode(body);
  if (Symbol.asyncIterator in body) return fromIterator(body[Symbol.asyncIterator]());
  throw new StorageBodyError('an object that is no stream');
}

/** Also of another realm. */
const isUint8Array = (value: unknown): value is Uint8Array =>
  ArrayBuffer.isView(value) && (value as Uint8Array)[Symbol.toStringTag] === 'Uint8Array';
const isBlob = (body: object): body is Blob =>
  'arrayBuffer' in body && 'stream' in body && typeof body.stream === 'function';
const isWebStream = (body: object): body is ReadableStream =>
  'getReader' in body && typeof body.getReader === 'function';
const isNodeStream = (body: object): body is Readable =>
  'pipe' in body && typeof body.pipe === 'function' && 'on' in body;

function fromBytes(bytes: Uint8Array): Source {
  let at = 0;
  return {
    size: bytes.byteLength,
    async next() {
      if (at >= bytes.byteLength) return { done: true, value: undefined };
      const value = bytes.subarray(at, at + PIECE);
      at += PIECE;
      return { done: false, value };
    },
    stop: () => undefined,
  };
}

function fromWeb(stream: ReadableStream): Source {
  // Imported, it would cost every program that never stores a stream: Node.js has not loaded its streams by itself.
  const { Readable } = process.getBuiltinModule('node:stream');
  if (stream.locked || Readable.isDisturbed(stream as never))
    throw new StorageBodyError('a stream that is being read, or has been');
  const reader = stream.getReader();
  return {
    async next() {
      const { done, value } = await reader.read();
      return done ? { done, value: undefined } : { done: false, value: toBytes(value) };
    },
    stop() {
      reader.cancel().catch(() => undefined);
    },
  };
}

function fromNode(stream: Readable): Source {
  if (stream.readableEnded || (stream.destroyed && !stream.errored))
    throw new StorageBodyError('a stream that has been read, or was destroyed');
  // Without a listener an error before the first read would end the process.
  stream.on('error', () => undefined);
  const source = fromIterator(stream[Symbol.asyncIterator]());
  return { next: source.next, stop: () => void stream.destroy() };
}

function fromIterator(iterator: AsyncIterator<unknown>): Source {
  let over = false;
  return {
    async next() {
      const { done, value } = await iterator.next();
      over = done === true;
      return done ? { done, value: undefined } : { done: false, value: toBytes(value) };
    },
    stop() {
      if (over) return;
      over = true;
      Promise.resolve(iterator.return?.()).catch(() => undefined);
    },
  };
}

function toBytes(chunk: unknown): Uint8Array {
  if (isUint8Array(chunk)) return chunk;
  if (typeof chunk === 'string') return Buffer.from(chunk);
  throw new StorageBodyError(`a stream whose chunks are no bytes but a ${typeof chunk}`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: a key must not hold them
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const MAX_BYTES = 1024;

/**
 * Returns `key` when every driver can keep it: 1 to 1024 bytes of UTF-8, parts separated by single slashes.
 *
 * @throws {@link StorageKeyError} `E_STORAGE_KEY` naming the rule it breaks.
 */
export function checkKey(key: string): string {
  const problem = problemOf(key);
  if (problem) throw new StorageKeyError(key, problem);
  return key;
}

/**
 * Returns `prefix` when it ends in a slash and is a key before it. The slash keeps `users/1/` from matching `users/10/`.
 *
 * @throws {@link StoragePrefixError} `E_STORAGE_PREFIX`, or {@link StorageKeyError} `E_STORAGE_KEY`.
 */
export function checkPrefix(prefix: string): string {
  if (typeof prefix !== 'string' || !prefix.endsWith('/')) throw new StoragePrefixError(prefix);
  checkKey(prefix.slice(0, -1));
  return prefix;
}

function problemOf(key: unknown): string | undefined {
  if (typeof key !== 'string') return 'a key is a text';
  if (key === '') return 'it is empty';
  if (/[\ud800-\udfff]/u.test(key)) return 'it holds half a character (a lone surrogate)';
  if (CONTROL.test(key)) return 'it holds a control character';
  if (key.includes('\\')) return 'it holds a backslash';
  if (key.startsWith('/')) return "it starts with '/'";
  if (Buffer.byteLength(key) > MAX_BYTES) return `it has more than ${MAX_BYTES} bytes`;
  for (const part of key.split('/')) {
    if (part === '') return "it has an empty part ('//' or a slash at the end)";
    if (part === '.' || part === '..') return `it has the part '${part}'`;
  }
  return undefined;
}

/**
 * The order of a listing: by bytes of UTF-8, as S3 has it. JavaScript compares UTF-16, in which characters above
 * U+FFFF come too early.
 */
export function compareKeys(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i += 1) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** A UTF-16 unit's place in code point order: surrogates behind all others. */
const rank = (unit: number): number =>
  unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit;
