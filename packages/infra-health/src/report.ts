import type { HealthResult, HealthStatus } from './core.ts';

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
const isStatus = (value: unknown): value is HealthStatus =>
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

const MAX_MESSAGE = 500;
const MAX_DATA = 16 * 1024;

/** What a check answered, as plain data that is safe to show. Nonsense becomes an `error`; data that cannot be written is left out and said to be. Never throws. */
export function cleanResult(answer: unknown): HealthResult {
  try {
    if (answer === null || typeof answer !== 'object' || !('status' in answer))
      return failure(`answered ${kindOf(answer)} in place of { status: 'ok' | 'degraded' | 'error' }`);
    const { status, message, data } = answer as Record<string, unknown>;
    if (!isStatus(status)) return failure(`answered the unknown status ${kindOf(status)}`);
    const said = typeof message === 'string' && message !== '' ? { message: cleanText(message) } : {};
    if (data === undefined) return { status, ...said };
    const written = writeData(data);
    if ('data' in written) return { status, ...said, data: written.data };
    const problem = `its data ${written.problem}`;
    return {
      status: worseOf(status, 'degraded'),
      message: said.message ? `${said.message} (${problem})` : problem,
    };
  } catch (thrown) {
    return failure(`its answer cannot be read: ${thrownText(thrown)}`);
  }
}

/** A row's failure, in these words. */
export const failure = (message: string): HealthResult => ({ status: 'error', message });

/** What was thrown, as one line without a stack or a password in a URL. Never throws, whatever was thrown. */
export function thrownText(thrown: unknown): string {
  try {
    const text = wordsOf(thrown);
    // fetch says no more than "fetch failed"; the reason is below.
    const cause = thrown instanceof Error && thrown.cause !== undefined ? wordsOf(thrown.cause) : '';
    return cleanText(text.includes(cause) ? text : `${text}: ${cause}`);
  } catch {
    return 'threw something that cannot be read';
  }
}

function wordsOf(thrown: unknown): string {
  if (thrown === null || typeof thrown !== 'object') return `threw ${kindOf(thrown)}`;
  const { message, code, name } = thrown as Record<string, unknown>;
  // An AggregateError of the network has a code and no message.
  const words = [message, code, name].find((part) => typeof part === 'string' && part !== '');
  return typeof words === 'string' ? words : 'threw an object without a message';
}

function cleanText(text: string): string {
  const line = text
    .slice(0, MAX_MESSAGE * 4)
    .split('\n')
    .filter((part) => !/^\s+at\s/.test(part))
    .join(' ')
    .replace(/\s+/g, ' ')
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, '$1***@')
    .trim();
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE)}…` : line;
}

function writeData(data: unknown): { data: Record<string, unknown> } | { problem: string } {
  if (data === null || typeof data !== 'object' || Array.isArray(data))
    return { problem: 'is not an object' };
  let json: string;
  try {
    json = JSON.stringify(data);
  } catch (thrown) {
    return { problem: `cannot be written as JSON: ${thrownText(thrown)}` };
  }
  if (json === undefined || !json.startsWith('{')) return { problem: 'is not an object' };
  if (json.length > MAX_DATA) return { problem: `is over ${MAX_DATA / 1024} KiB` };
  return { data: JSON.parse(json) as Record<string, unknown> };
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (typeof value === 'object') return 'an object without a status';
  return typeof value === 'symbol' || typeof value === 'function' ? `a ${typeof value}` : String(value);
}
