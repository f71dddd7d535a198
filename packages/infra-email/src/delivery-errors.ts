import { InfraError } from './core.ts';

/** Why a transport did not take an e-mail over. */
export type DeliveryCode =
  | 'E_EMAIL_AUTH'
  | 'E_EMAIL_PARTIAL'
  | 'E_EMAIL_QUOTA'
  | 'E_EMAIL_RATE_LIMITED'
  | 'E_EMAIL_REJECTED'
  | 'E_EMAIL_TLS'
  | 'E_EMAIL_UNAVAILABLE'
  | 'E_EMAIL_UNKNOWN_OUTCOME';

const KINDS: Readonly<Record<DeliveryCode, { retryable: boolean; help: string }>> = {
  E_EMAIL_AUTH: { retryable: false, help: 'Check RESEND_API_KEY, or the user and password in SMTP_URL.' },
  E_EMAIL_PARTIAL: {
    retryable: false,
    help: 'The others get it: send to those in `rejected` alone, once their addresses are right.',
  },
  E_EMAIL_QUOTA: { retryable: true, help: 'Wait for the next period, or enlarge the plan.' },
  E_EMAIL_RATE_LIMITED: { retryable: true, help: 'Send again later with the same idempotencyKey.' },
  E_EMAIL_REJECTED: {
    retryable: false,
    help: 'Correct what the message says; trying again changes nothing.',
  },
  E_EMAIL_TLS: {
    retryable: false,
    help: 'Name the authority of its certificate (SMTP_URL=…?ca=/path/ca.pem), or the name that the certificate has (?servername=…).',
  },
  E_EMAIL_UNAVAILABLE: { retryable: true, help: 'Send again later with the same idempotencyKey.' },
  E_EMAIL_UNKNOWN_OUTCOME: {
    retryable: true,
    help: 'It may have been taken over: send again with the same idempotencyKey, and no other.',
  },
};

/** What is known of a failed delivery. */
export interface DeliveryErrorOptions {
  /** The answer's number: of HTTP with Resend, of the reply with SMTP. */
  status?: number | undefined;
  /** Milliseconds to wait before the next try, where the other side said so. */
  retryAfter?: number | undefined;
  /** The recipients that were refused while others were not. */
  rejected?: readonly string[] | undefined;
  cause?: unknown;
}

/** A transport did not take an e-mail over, or nobody knows whether it did. The code says which. */
export class DeliveryError extends InfraError {
  declare readonly code: DeliveryCode;
  readonly status: number | undefined;
  /** Milliseconds to wait before the next try, where the other side said so. */
  readonly retryAfter: number | undefined;
  /** With `E_EMAIL_PARTIAL`, the addresses that were refused; else empty. */
  readonly rejected: readonly string[];

  constructor(code: DeliveryCode, problem: string, options: DeliveryErrorOptions = {}) {
    super(problem, { code, ...KINDS[code], cause: options.cause });
    this.status = options.status;
    this.retryAfter = options.retryAfter;
    this.rejected = options.rejected ?? [];
  }
}
