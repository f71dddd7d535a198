/** How something is: `ok`, `degraded` (works, but look at it) or `error` (does not work). */
export type HealthStatus = 'ok' | 'degraded' | 'error';

/** What a health check answers. */
export interface HealthResult {
  readonly status: HealthStatus;
  /** One line for the reader of a report. Without secrets. */
  readonly message?: string;
  /** Figures worth seeing beside it. Without secrets. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/**
 * A health check. Every module exports one (`cacheHealthCheck()` and so on); infra-health runs them. It must do a
 * real round trip and stop when `signal` aborts.
 */
export type HealthCheck = (context: { readonly signal: AbortSignal }) => HealthResult | Promise<HealthResult>;
