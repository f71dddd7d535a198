import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { StorageUnavailableError } from '../../errors.ts';

/** The body of an answer as a stream whose failure is a coded one, and whose end, however it comes, frees the connection. */
export function bodyOf(res: IncomingMessage, what: string, signal: AbortSignal | undefined): Readable {
  const body = new PassThrough();
  res.on('error', (err) => {
    body.destroy(signal?.aborted ? signal.reason : new StorageUnavailableError(what, err));
  });
  body.once('close', () => res.destroy());
  return res.pipe(body);
}
