const POOL = 16_384;
/** Bytes written out as text at a time. An id is a slice of that text and keeps it alive, so it is short. */
const CHUNK = 256;
const pool = Buffer.alloc(POOL);
let nextChunk = POOL;
let text = '';
let at = 0;

/** Random hexadecimal digits: one call to the system serves some hundred ids. */
function take(digits: number): string {
  if (at + digits > text.length) {
    if (nextChunk === POOL) {
      crypto.getRandomValues(pool);
      nextChunk = 0;
    }
    text = pool.toString('hex', nextChunk, nextChunk + CHUNK);
    nextChunk += CHUNK;
    at = 0;
  }
  at += digits;
  return text.slice(at - digits, at);
}

/** A new W3C trace id. */
export const newTraceId = (): string => take(32);

/** A new W3C span id. */
export const newSpanId = (): string => take(16);
