import type { Clock } from '../core.ts';
import { type DeliveryCode, DeliveryError } from '../delivery-errors.ts';
import { IdempotencyConflictError } from '../errors.ts';
import type { Outcome } from './attempts.ts';
import { quote } from './quote.ts';

/** What the SDK answers. What it gives as the error is whatever JSON the other side sent. */
export interface ResendAnswer {
  readonly data: unknown;
  readonly error: unknown;
  readonly headers?: Readonly<Record<string, string>> | null;
}

/** What makes the message of an error. */
export interface FailureContext {
  readonly key: string;
  /** Taken out of whatever the other side says. */
  readonly apiKey: string;
  readonly clock: Clock;
}

/** What an answer without a result means. */
export function resendFailure(
  answer: ResendAnswer,
  { key, apiKey, clock }: FailureContext,
): Extract<Outcome<never>, { error: Error }> {
  const { status, name, text } = read(answer, apiKey);
  if (name === 'invalid_idempotent_request') return { error: new IdempotencyConflictError(key) };
  const after = retryAfter(answer.headers?.['retry-after'], clock);
  const { code, again } = judge(status, name);
  const problem = status === undefined ? `Resend gave no usable answer: ${text}` : `Resend says: ${text}`;
  const error = new DeliveryError(code, problem, { status, retryAfter: after });
  return { error, again, after };
}

function judge(status: number | undefined, name: string): { code: DeliveryCode; again: boolean } {
  if (name.endsWith('_quota_exceeded')) return { code: 'E_EMAIL_QUOTA', again: false };
  if (name.endsWith('_api_key') || status === 401) return { code: 'E_EMAIL_AUTH', again: false };
  if (name === 'concurrent_idempotent_requests') return { code: 'E_EMAIL_UNAVAILABLE', again: true };
  if (status === 429) return { code: 'E_EMAIL_RATE_LIMITED', again: true };
  // A proxy on the way that gave up waiting knows no more than we do.
  if (status === undefined || status === 408 || status === 504 || status < 400)
    return { code: 'E_EMAIL_UNKNOWN_OUTCOME', again: true };
  if (status >= 500) return { code: 'E_EMAIL_UNAVAILABLE', again: true };
  return { code: 'E_EMAIL_REJECTED', again: false };
}

/** What of an error can be relied on. */
function read(
  { error }: ResendAnswer,
  apiKey: string,
): { status: number | undefined; name: string; text: string } {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  const status = typeof fields.statusCode === 'number' ? fields.statusCode : undefined;
  const name = typeof fields.name === 'string' ? fields.name : '';
  const message = typeof fields.message === 'string' ? fields.message : 'the answer has another form.';
  const label = [status, name].filter(Boolean).join(' ');
  return { status, name, text: quote(label ? `${message} (${label})` : message, apiKey) };
}

/** Seconds, or a date, as milliseconds from now. */
function retryAfter(header: string | undefined, clock: Clock): number | undefined {
  if (!header) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(header) ? Number(header) * 1000 : Date.parse(header) - clock.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
