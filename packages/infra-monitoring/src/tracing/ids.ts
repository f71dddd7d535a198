import { randomFillSync } from 'node:crypto';

const POOL = 4096;
const pool = Buffer.alloc(POOL);
let at = POOL;

/** `bytes` random bytes as lower-case hexadecimal digits, from a pool: one call to the system for many ids. */
function hex(bytes: number): string {
  if (at + bytes > POOL) {
    randomFillSync(pool);
    at = 0;
  }
  at += bytes;
  return pool.toString('hex', at - bytes, at);
}

/** A new W3C trace id. */
export const newTraceId = (): string => hex(16);

/** A new W3C span id. */
export const newSpanId = (): string => hex(8);
