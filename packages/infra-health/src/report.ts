import type { HealthStatus } from '@vibeonrails/infra-core';

/** How one check went. Plain data that can always be written as JSON. */
export interface HealthRow {
  readonly name: string;
  /** What the check answered; `error` when it threw, hung, blocked or answered nonsense. */
  readonly status: HealthStatus;
  /** One line: what the check said, or why it failed. Never a stack. */
  readonly message?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  /** False when its `error` counts as `degraded` in the report's status. */
  readonly critical: boolean;
  /** Milliseconds it took. */
  readonly ms: number;
  /** When it ran, as ISO 8601: before the report when the row comes from the cache. */
  readonly checkedAt: string;
  /** Errors in a row up to now, 0 when the last run had none. */
  readonly failures: number;
}

/** How everything that was asked for is. */
export interface HealthReport {
  /** The worst of its rows, where `error` of a check that is not critical counts as `degraded`. */
  readonly status: HealthStatus;
  /** Why, where it is no check that says so: `shutting down`. */
  readonly message?: string;
  /** The group asked for; absent for all. */
  readonly group?: string;
  /** Milliseconds it took. */
  readonly ms: number;
  /** In the order of registration. */
  readonly checks: readonly HealthRow[];
}

const SEVERITY: Readonly<Record<HealthStatus, number>> = { ok: 0, degraded: 1, error: 2 };

/** True for one of the three words. */
export const isStatus = (value: unknown): value is HealthStatus =>
  typeof value === 'string' && Object.hasOwn(SEVERITY, value);

/** The worse of two. */
export const worseOf = (a: HealthStatus, b: HealthStatus): HealthStatus =>
  SEVERITY[b] > SEVERITY[a] ? b : a;

/** The status of a report over these rows. */
export function statusOf(rows: readonly HealthRow[]): HealthStatus {
  return rows
    .map((row) => (row.status === 'error' && !row.critical ? 'degraded' : row.status))
    .reduce(worseOf, 'ok');
}
