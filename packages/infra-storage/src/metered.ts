import { createHash, type Hash } from 'node:crypto';
import { StorageChecksumError, StorageOptionError, StorageTooLargeError } from './errors.ts';
import type { Source } from './input.ts';

/** A digest to check: `sha256:` or `md5:` and the digest in hex or base64. */
export type Checksum = `${'md5' | 'sha256'}:${string}`;

/** How far a write is. */
export interface Progress {
  /** Bytes taken from the body so far. */
  readonly bytes: number;
  /** Bytes in all, where that is known. */
  readonly total?: number;
}

/** What to watch while a body flows. */
export interface MeterOptions {
  readonly key: string;
  readonly maxBytes?: number | undefined;
  readonly checksum?: Checksum | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The chunks of a source, counted, digested and cut off when the signal aborts. The last chunk is held back until the
 * whole body is known to be right, so that a store which was told the length never gets all of a wrong one.
 */
export async function* metered(source: Source, options: MeterOptions): AsyncGenerator<Uint8Array> {
  const { key, maxBytes = Number.POSITIVE_INFINITY, onProgress, signal } = options;
  const check = options.checksum === undefined ? undefined : digestCheck(key, options.checksum);
  if ((source.size ?? 0) > maxBytes) throw new StorageTooLargeError(key, maxBytes);
  let bytes = 0;
  let held: Uint8Array | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const { done, value } = await unlessAborted(source.next(), signal);
    if (done) break;
    if (value.byteLength === 0) continue;
    bytes += value.byteLength;
    if (bytes > maxBytes) throw new StorageTooLargeError(key, maxBytes);
    check?.hash.update(value);
    if (held) yield held;
    held = value;
    onProgress?.({ bytes, ...(source.size === undefined ? {} : { total: source.size }) });
  }
  check?.verify();
  if (held) yield held;
}

/** What `work` resolves to, or the signal's reason if that comes first, however long the work hangs. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

const LENGTHS = { md5: 16, sha256: 32 } as const;

function digestCheck(key: string, checksum: string): { hash: Hash; verify: () => void } {
  const [, algorithm, text = ''] = /^(md5|sha256):(.+)$/.exec(checksum) ?? [];
  const length = LENGTHS[algorithm as keyof typeof LENGTHS];
  const wanted = Buffer.from(
    text,
    /^[0-9a-f]+$/i.test(text) && text.length === length * 2 ? 'hex' : 'base64',
  );
  if (algorithm === undefined || wanted.length !== length)
    throw new StorageOptionError(
      'checksum',
      'is no digest',
      "Give 'sha256:' or 'md5:' and the digest in hex or base64.",
    );
  const hash = createHash(algorithm);
  return {
    hash,
    verify() {
      const found = hash.digest();
      if (!found.equals(wanted))
        throw new StorageChecksumError(
          key,
          `${algorithm}:${wanted.toString('hex')}`,
          `${algorithm}:${found.toString('hex')}`,
        );
    },
  };
}
