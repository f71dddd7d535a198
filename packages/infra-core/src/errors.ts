const BRAND: unique symbol = Symbol.for('@vibeonrails/infra/error') as never;

/** What an {@link InfraError} is made of. */
export interface InfraErrorOptions {
  /** Stable machine-readable code, such as `E_CACHE_TTL`. */
  code: string;
  /** True when the same call may succeed later without a change. @default false */
  retryable?: boolean;
  /** What to do about it, in one or two sentences. It becomes the end of the message. */
  help?: string;
  /** The error underneath. */
  cause?: unknown;
}

/**
 * The base of every error thrown by an `@vibeonrails/infra-*` package.
 *
 * The message says what failed, on what, and what to do. Recognise one with {@link isInfraError} and its
 * `code`, never with `instanceof`: two installed copies of this package have two classes.
 */
export class InfraError extends Error {
  /** Stable machine-readable code, such as `E_CACHE_TTL`. */
  readonly code: string;
  /** True when the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** What to do about it; also the end of the message. */
  readonly help: string | undefined;

  constructor(message: string, options: InfraErrorOptions) {
    super(options.help ? `${message} ${options.help}` : message);
    if (options.cause !== undefined)
      Object.defineProperty(this, 'cause', { value: options.cause, configurable: true, writable: true });
    Object.defineProperty(this, 'name', { value: new.target.name, configurable: true, writable: true });
    Object.defineProperty(this, BRAND, { value: true });
    this.code = options.code;
    this.retryable = options.retryable ?? false;
    this.help = options.help;
  }
}

/** True for an {@link InfraError} made by any installed copy of infra-core; with `code`, for that one alone. */
export function isInfraError(value: unknown, code?: string): value is InfraError {
  if (typeof value !== 'object' || value === null || !(BRAND in value)) return false;
  return code === undefined || (value as { code?: unknown }).code === code;
}

/**
 * The message of anything that was thrown; never empty, never throws. An error without a message, as Node makes when
 * no address of a host answers, gives its code and the first message underneath.
 */
export function messageOf(thrown: unknown): string {
  try {
    if (!(thrown instanceof Error)) return String(thrown);
    const { code, errors } = thrown as { code?: unknown; errors?: readonly unknown[] };
    const parts = [code, errors?.[0] && messageOf(errors[0])].filter((part) => typeof part === 'string');
    return thrown.message || parts.join(': ') || thrown.name;
  } catch {
    return 'something without a text form was thrown';
  }
}
