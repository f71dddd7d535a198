import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingMessage,
  type RequestOptions,
  request,
} from 'node:http';
import { Agent as HttpsAgent, request as secureRequest } from 'node:https';

/** One attempt at a request: what the client of `minio` cannot be told, and what it does not tell. */
export interface Attempt {
  readonly signal: AbortSignal | undefined;
  /** Milliseconds in which nothing moves, after which the store counts as gone. */
  readonly silence: number;
  /** The status of the answer, once there is one. */
  status?: number;
}

/** Sends the requests of one client. */
export interface Transport {
  request(options: RequestOptions, onResponse: (res: IncomingMessage) => void): ClientRequest;
  /** Runs `work`, whose request goes by the terms of `attempt`. */
  run<T>(attempt: Attempt, work: () => Promise<T>): Promise<T>;
  close(): void;
}

/** The error of a request that nothing came back to. */
export class SilenceError extends Error {
  constructor(ms: number) {
    super(`nothing moved for ${ms / 1000} s`);
  }
}

/**
 * `http.request` with connections of its own that are kept open. The terms of a request reach it through the calls in
 * between by AsyncLocalStorage, since the client passes on neither signal nor timeout.
 */
export function transport(secure: boolean): Transport {
  const attempts = new AsyncLocalStorage<Attempt>();
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  return {
    request(options, onResponse) {
      const attempt = attempts.getStore();
      if (!attempt) throw new Error('a request outside of run()');
      const sent = (secure ? secureRequest : request)({ ...options, agent, timeout: attempt.silence });
      watch(sent, attempt);
      return sent.once('response', onResponse);
    },
    run: (attempt, work) => attempts.run(attempt, work),
    close: () => agent.destroy(),
  };
}

/** Ends the request, or the answer it is at, when the signal aborts or nothing moves. */
function watch(sent: ClientRequest, attempt: Attempt): void {
  const { signal, silence } = attempt;
  let answer: IncomingMessage | undefined;
  let paused = false;
  const end = (reason: unknown): void => {
    const error = reason instanceof Error ? reason : new Error('aborted');
    (answer ?? sent).destroy(error);
  };
  const onAbort = (): void => end(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  sent.once('close', () => signal?.removeEventListener('abort', onAbort));
  sent.once('response', (res: IncomingMessage) => {
    answer = res;
    attempt.status = res.statusCode ?? 0;
    res.on('error', () => undefined);
    // The client would leave the body of such an answer unread, and the connection with it.
    if (isTemporary(attempt.status)) res.resume();
  });
  sent.on('timeout', () => {
    // A reader that takes its time is not the store's silence; and one that has just gone on gets another round.
    const waits = (answer?.readableLength ?? 0) > 0;
    if (!waits && !paused) return end(new SilenceError(silence));
    paused = waits;
    sent.socket?.setTimeout(silence);
  });
}

/** After these the same request may succeed; and at these the client gives up on the body. */
const TEMPORARY: readonly number[] = [408, 429, 499, 500, 502, 503, 504, 520];

/** True for a status after which the same request may succeed. */
export const isTemporary = (status: number): boolean => TEMPORARY.includes(status);
