import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Clock } from '@vibeonrails/infra-core';
import { untraced } from '../instrument/channel.ts';

/** Where and how requests go. */
export interface OtlpRequestOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: 'gzip' | 'none';
  /** Milliseconds a request may take. */
  readonly timeout: number;
  /** Milliseconds a batch is tried for. */
  readonly retryFor: number;
}

/** What came of a batch. */
export interface OtlpOutcome {
  readonly delivered: boolean;
  /** Spans or data points that the collector left out, of a batch it took. */
  readonly rejected: number;
  /** Why not, without anything secret. */
  readonly problem?: string;
}

interface Attempt extends OtlpOutcome {
  readonly retry: boolean;
  /** Milliseconds the collector asks to be left alone. */
  readonly retryAfter?: number;
}

const RETRYABLE = [429, 502, 503, 504];
const FIRST_DELAY = 1000;
const LONGEST_DELAY = 5000;
/** Characters that are read of an answer. */
const MAX_ANSWER = 64 * 1024;
const compress = promisify(gzip);

/** Posts one batch, and again while that makes sense. Never rejects; an abort gives it up. */
export async function postBatch(
  body: string,
  options: OtlpRequestOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<OtlpOutcome> {
  const giveUpAt = clock.now() + options.retryFor;
  const bytes = options.compression === 'gzip' ? new Uint8Array(await compress(body)) : body;
  for (let tries = 0; ; tries += 1) {
    const attempt = await post(bytes, options, clock, signal);
    if (!attempt.retry || signal.aborted) return attempt;
    const backoff = Math.min(LONGEST_DELAY, FIRST_DELAY * 1.5 ** tries) * (0.5 + Math.random() / 2);
    const wait = attempt.retryAfter === undefined ? backoff : attempt.retryAfter * (1 + Math.random() / 10);
    if (clock.now() + wait > giveUpAt) return attempt;
    await pause(wait, clock, signal);
    if (signal.aborted) return attempt;
  }
}

async function post(
  body: string | Uint8Array<ArrayBuffer>,
  { url, headers, timeout }: OtlpRequestOptions,
  clock: Clock,
  outer: AbortSignal,
): Promise<Attempt> {
  // Joined by hand: what AbortSignal.any() derives from a signal that lives on is kept along with it in Node 20.
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  const cancel = clock.after(timeout, abort);
  outer.addEventListener('abort', abort);
  if (outer.aborted) abort();
  try {
    const response = await untraced(() =>
      fetch(url, {
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json',
          ...(typeof body === 'string' ? {} : { 'content-encoding': 'gzip' }),
        },
        body,
        // Headers with keys must not follow to another place.
        redirect: 'manual',
        signal: stop.signal,
      }),
    );
    const text = await answerOf(response);
    if (response.ok) return { delivered: true, retry: false, ...partialSuccess(text) };
    const retryAfter = retryAfterOf(response.headers.get('retry-after'), clock);
    return {
      delivered: false,
      rejected: 0,
      problem: `status ${response.status}`,
      retry: RETRYABLE.includes(response.status),
      ...(retryAfter === undefined ? {} : { retryAfter }),
    };
  } catch (error) {
    const problem = stop.signal.aborted ? 'no answer in time' : networkProblem(error);
    return { delivered: false, rejected: 0, problem, retry: true };
  } finally {
    cancel();
    outer.removeEventListener('abort', abort);
  }
}

/** What a collector says of a batch is short; what else may be at its address need not end. */
async function answerOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_ANSWER) break;
  }
  return text;
}

/** The code alone: a message may hold the address, and an address a key. */
function networkProblem(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown } };
  return typeof cause?.code === 'string' ? cause.code : 'the connection failed';
}

function partialSuccess(text: string): { rejected: number; problem?: string } {
  try {
    const { partialSuccess: partial } = JSON.parse(text) as {
      partialSuccess?: { rejectedSpans?: unknown; rejectedDataPoints?: unknown; errorMessage?: unknown };
    };
    const rejected = Number(partial?.rejectedSpans ?? partial?.rejectedDataPoints ?? 0);
    const message = typeof partial?.errorMessage === 'string' ? partial.errorMessage.slice(0, 500) : '';
    return {
      rejected: Number.isFinite(rejected) ? Math.max(rejected, 0) : 0,
      ...(message === '' ? {} : { problem: message }),
    };
  } catch {
    return { rejected: 0 };
  }
}

/** Seconds, or a date (RFC 9110 §10.2.3). */
function retryAfterOf(header: string | null, clock: Clock): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - clock.now());
}

/** Waits for what is being sent, but no longer than `ms`. */
export async function settledWithin(sending: Promise<void>, ms: number, clock: Clock): Promise<void> {
  // No timer of ours keeps a process alive; whoever awaits this is not done, though.
  const hold = setInterval(() => undefined, 2 ** 30);
  let cancel: (() => void) | undefined;
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(ms, resolve);
  });
  await Promise.race([sending, late]).finally(() => clearInterval(hold));
  cancel?.();
}

function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal.addEventListener('abort', done);
  });
}
