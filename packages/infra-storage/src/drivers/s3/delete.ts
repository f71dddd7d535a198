import type { DeleteFailure, DriverCallOptions } from '../../driver.ts';
import { StorageAccessError, StorageRefusedError } from '../../errors.ts';
import type { Store } from './store.ts';
import { elements, escapeXml, textOf } from './xml.ts';

/** What XML cannot hold, in whatever form. Keys have no control characters. */
const UNSPEAKABLE = /[\ufffe\uffff]/;

/** Deletes up to 1000 files, and resolves to those that are still there. */
export async function deleteKeys(
  store: Store,
  keys: readonly string[],
  options: DriverCallOptions,
): Promise<DeleteFailure[]> {
  const together = keys.length === 1 ? [] : keys.filter((key) => !UNSPEAKABLE.test(key));
  const alone = keys.filter((key) => keys.length === 1 || UNSPEAKABLE.test(key));
  const failed = together.length > 0 ? await deleteTogether(store, together, options) : [];
  for (const key of alone) failed.push(...(await deleteAlone(store, key, options)));
  return failed;
}

const what = (key: string): string => `delete ${JSON.stringify(key)}`;

async function deleteAlone(
  store: Store,
  key: string,
  { signal }: DriverCallOptions,
): Promise<DeleteFailure[]> {
  try {
    await store.send({ what: what(key), method: 'DELETE', key, expected: [200, 204, 404], signal });
    return [];
  } catch (error) {
    signal?.throwIfAborted();
    return [{ key, error: error as Error }];
  }
}

async function deleteTogether(
  store: Store,
  keys: readonly string[],
  { signal }: DriverCallOptions,
): Promise<DeleteFailure[]> {
  const objects = keys.map((key) => `<Object><Key>${escapeXml(key)}</Key></Object>`).join('');
  const answer = await store.send({
    what: `delete ${keys.length} files`,
    method: 'POST',
    query: { delete: '' },
    headers: { 'content-type': 'application/xml' },
    body: Buffer.from(`<Delete><Quiet>true</Quiet>${objects}</Delete>`),
    signal,
  });
  return elements(answer.text, 'Error').map((error) => {
    const key = textOf(error, 'Key') ?? '';
    const code = textOf(error, 'Code') ?? '';
    return {
      key,
      error:
        code === 'AccessDenied'
          ? new StorageAccessError(what(key), store.account.bucket, code)
          : new StorageRefusedError(what(key), code),
    };
  });
}
