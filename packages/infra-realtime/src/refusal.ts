/** A request that is refused: what the client is told. */
export class Refusal extends Error {
  /** Stable, such as `E_REALTIME_FORBIDDEN`. */
  readonly code: string;
  /** True when the same request may succeed later. */
  readonly retry: boolean;

  constructor(code: string, message: string, retry = false) {
    super(message);
    this.code = code;
    this.retry = retry;
  }
}
