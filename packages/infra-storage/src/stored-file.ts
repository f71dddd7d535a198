/// <reference lib="esnext.disposable" preserve="true" />
import { type Clock, formatIssue, type Schema, type SchemaOutput } from './core.ts';
import type { ByteStream, FileInfo } from './driver.ts';
import { StorageContentError, StorageReadError } from './errors.ts';

/**
 * A file opened by `get()`. Read it once, in one of the four ways, or `cancel()` it: until then it holds a file or a
 * connection open. What nobody reads within a minute is closed.
 */
export interface StoredFile extends AsyncDisposable {
  readonly info: FileInfo;
  /** The bytes as a web stream. Cancelling it frees what it holds. */
  readonly stream: ReadableStream<Uint8Array>;
  /** The bytes as text, read as UTF-8. */
  text(): Promise<string>;
  /** The bytes. */
  bytes(): Promise<Uint8Array>;
  /** The bytes as JSON, checked by a schema if there is one. @throws `E_STORAGE_CONTENT` when they are something else. */
  json<T = unknown>(): Promise<T>;
  json<S extends Schema>(schema: S): Promise<SchemaOutput<S>>;
  /** Closes it unread. Idempotent; `await using` does it too. */
  cancel(): Promise<void>;
}

/** How long an unread file is held open. */
const PATIENCE = 60_000;

/** Makes a {@link StoredFile} over what a driver opened. */
export function storedFile(
  info: FileInfo,
  body: ByteStream,
  clock: Clock,
  signal: AbortSignal | undefined,
): StoredFile {
  let taken = false;
  let web: ReadableStream<Uint8Array> | undefined;
  const onAbort = (): void => void body.destroy(signal?.reason);
  const stopTimer = clock.after(PATIENCE, () => {
    body.destroy(new StorageReadError(info.key, 'was closed, since nobody read it for a minute'));
  });
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  body.on('error', () => undefined);
  body.once('close', () => {
    stopTimer();
    signal?.removeEventListener('abort', onAbort);
  });

  const take = (): ByteStream => {
    if (taken) throw new StorageReadError(info.key, 'is being read, or has been');
    taken = true;
    return body;
  };
  const bytes = async (): Promise<Buffer> => {
    const chunks: Uint8Array[] = [];
    const source = take();
    stopTimer();
    for await (const chunk of source) chunks.push(chunk as Uint8Array);
    return Buffer.concat(chunks);
  };
  const cancel = async (): Promise<void> => {
    taken = true;
    body.destroy();
  };

  return {
    info,
    get stream() {
      web ??= toWeb(take(), stopTimer);
      return web;
    },
    bytes,
    text: async () => new TextDecoder().decode(await bytes()),
    async json(schema?: Schema) {
      return parseJson(info.key, new TextDecoder().decode(await bytes()), schema) as never;
    },
    cancel,
    [Symbol.asyncDispose]: cancel,
  };
}

/** A web stream that reads nothing ahead, so that one that nobody reads counts as unread. */
function toWeb(body: ByteStream, onRead: () => void): ReadableStream<Uint8Array> {
  const iterator: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        onRead();
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => void body.destroy(),
    },
    { highWaterMark: 0 },
  );
}

async function parseJson(key: string, text: string, schema: Schema | undefined): Promise<unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new StorageContentError(key, 'it is no JSON', cause);
  }
  if (!schema) return value;
  const result = await schema['~standard'].validate(value);
  if (result.issues) throw new StorageContentError(key, result.issues.map(formatIssue).join('; '));
  return result.value;
}
