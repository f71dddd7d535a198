import { type CheckSettings, type RegisteredCheck, registeredCheck } from './check.ts';
import {
  type Clock,
  type Duration,
  type HealthCheck,
  type LifecycleState,
  lifecycleState,
  type ModuleInstance,
  onShutdown,
  systemClock,
  toMs,
} from './core.ts';
import { HealthCheckDuplicateError, HealthCheckInvalidError } from './errors.ts';
import { type HealthReport, type HealthRow, statusOf, worseOf } from './report.ts';

/**
 * The groups the endpoints ask for: `ready` (may traffic come here), `live` (would a restart help), `startup` (has
 * the start succeeded). Any other name makes a group of your own for {@link Health.check}.
 */
export type HealthGroup = 'ready' | 'live' | 'startup' | (string & {});

/** How a check is registered. */
export interface HealthCheckOptions {
  /** @default ['ready'] */
  groups?: readonly HealthGroup[];
  /** False: its `error` makes the report `degraded`, which is still served with 200. @default true */
  critical?: boolean;
  /** How long a report waits for it; its signal aborts then. @default the registry's timeout, '2s' */
  timeout?: Duration;
  /** How long its answer is used again. @default 0, it runs each time it is asked */
  cacheFor?: Duration;
  /** Runs it in the background this often; reports then show the last answer and wait for nothing. @default never */
  interval?: Duration;
  /** Errors in a row that make it `error`; the ones before are `degraded`. A check that was never ok has no such patience. @default 1 */
  failureThreshold?: number;
  /** Takes the place of a check of the same name. @default false */
  replace?: boolean;
}

/** What to check. */
export interface CheckHealthOptions {
  /** Only the checks of this group. @default all */
  group?: HealthGroup;
  /** Runs each check even where its last answer may be used again. @default false */
  fresh?: boolean;
  /** Ends the wait: what has not answered by then is an `error` in the report. */
  signal?: AbortSignal;
}

/** How a registry is made. */
export interface HealthOptions {
  /** The timeout of a check that names none. @default '2s' */
  timeout?: Duration;
  /** Whether the process runs or shuts down. @default core's lifecycle */
  lifecycle?: () => LifecycleState;
  /** @default the machine's clock */
  clock?: Clock;
}

/** A registry of health checks. */
export interface Health extends ModuleInstance {
  /**
   * Adds a check; the returned function takes it out again.
   *
   * @throws {@link HealthCheckDuplicateError} `E_HEALTH_DUPLICATE` when the name is taken, unless `replace` is true.
   * @throws {@link HealthCheckInvalidError} `E_HEALTH_CHECK` for a name, function or option that is none.
   */
  register(name: string, check: HealthCheck, options?: HealthCheckOptions): () => void;
  /** Runs the checks, all at once, and reports. Never rejects, whatever a check does. */
  check(options?: CheckHealthOptions): Promise<HealthReport>;
  /** Says that the start is over: until then the group `startup` is an `error`. */
  markStarted(): void;
}

/** Groups that may be empty. Any other one without a check is a misspelt name. */
const KNOWN: readonly string[] = ['ready', 'live', 'startup'];

/** Makes a registry of its own, independent of the default one. */
export function createHealth(options: HealthOptions = {}): Health {
  const { clock = systemClock, lifecycle = lifecycleState } = options;
  const timeout = toMs(options.timeout ?? '2s');
  const registered = new Map<string, RegisteredCheck>();
  const stalls = { lastAt: Number.NEGATIVE_INFINITY };
  let started = false;
  const forgetHook = onShutdown('health', () => close(), { phase: 'stop' });

  /** Background runs end; asked for, the checks still answer, so that the probes are served to the last. */
  async function close(): Promise<void> {
    forgetHook();
    for (const check of registered.values()) check.stop();
  }

  /** What is wrong where no check says so. */
  const obstacle = (group: string | undefined, found: number): string | undefined => {
    if (group === 'startup' && !started) return 'starting: markStarted() was not called yet';
    if (group !== undefined && found === 0 && !KNOWN.includes(group))
      return `no check belongs to the group ${JSON.stringify(group)}`;
    return undefined;
  };

  const check = async ({ group, fresh = false, signal }: CheckHealthOptions = {}): Promise<HealthReport> => {
    const startedAt = clock.now();
    const report = (rows: readonly HealthRow[], message?: string): HealthReport => ({
      status: worseOf(statusOf(rows), message ? 'error' : 'ok'),
      ...(message ? { message } : {}),
      ...(group === undefined ? {} : { group }),
      ms: Math.round(clock.now() - startedAt),
      checks: rows,
    });
    // Connections are being closed by now: the checks would only tell what is known.
    if ((group === undefined || group === 'ready') && lifecycle() !== 'running')
      return report([], 'shutting down');
    const chosen = [...registered.values()].filter(
      ({ settings }) => group === undefined || settings.groups.includes(group),
    );
    const patience = untilAborted(clock, signal);
    const rows = await Promise.all(chosen.map((one) => patience.row(one.row(fresh), one.settings)));
    patience.end();
    return report(rows, obstacle(group, chosen.length));
  };

  return {
    register(name, fn, given = {}) {
      const settings = settingsOf(name, fn, given, timeout);
      if (registered.has(name) && !given.replace) throw new HealthCheckDuplicateError(name);
      registered.get(name)?.stop();
      const made = registeredCheck(settings, clock, stalls);
      registered.set(name, made);
      return () => {
        made.stop();
        if (registered.get(name) === made) registered.delete(name);
      };
    },
    check: (given) => check(given ?? {}),
    markStarted() {
      started = true;
    },
    ready: async () => undefined,
    close,
  };
}

/** Rows for those who stop waiting: the check itself goes on for the others. One listener, however many checks. */
function untilAborted(clock: Clock, signal: AbortSignal | undefined): Patience {
  if (!signal) return { row: (row) => row, end: () => undefined };
  const startedAt = clock.now();
  let stop = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
  });
  // Not at once: a row that needs no waiting is still given.
  if (signal.aborted) setImmediate(stop);
  else signal.addEventListener('abort', stop, { once: true });
  const unanswered = ({ name, critical }: CheckSettings): HealthRow => ({
    name,
    status: 'error',
    message: 'was not waited for: the request was aborted',
    critical,
    ms: Math.round(clock.now() - startedAt),
    checkedAt: new Date(startedAt).toISOString(),
    failures: 0,
  });
  return {
    row: (row, settings) => Promise.race([row, aborted.then(() => unanswered(settings))]),
    end: () => signal.removeEventListener('abort', stop),
  };
}

interface Patience {
  row(row: Promise<HealthRow>, settings: CheckSettings): Promise<HealthRow>;
  end(): void;
}

function settingsOf(
  name: string,
  check: HealthCheck,
  options: HealthCheckOptions,
  defaultTimeout: number,
): CheckSettings {
  const { groups = ['ready'], critical = true, failureThreshold = 1 } = options;
  const wrong = (problem: string, help: string): HealthCheckInvalidError =>
    new HealthCheckInvalidError(name, problem, help);
  if (typeof name !== 'string' || name.trim() === '')
    throw wrong('it has no name', 'Give it a name that is a text, such as "database".');
  if (typeof check !== 'function')
    throw wrong('it is not a function', "Pass a function that returns { status: 'ok' }, or a promise of it.");
  if (
    !Array.isArray(groups) ||
    groups.length === 0 ||
    groups.some((group) => typeof group !== 'string' || !group)
  )
    throw wrong(
      'its groups are not a list of names',
      "Use ['ready'], ['live'], ['startup'] or names of your own.",
    );
  if (!Number.isInteger(failureThreshold) || failureThreshold < 1)
    throw wrong(`a failureThreshold of ${failureThreshold} is no count`, 'Use a whole number of 1 or more.');
  const timeout = options.timeout === undefined ? defaultTimeout : toMs(options.timeout);
  if (timeout === 0) throw wrong('a timeout of 0 leaves it no time', "Use a time above 0, such as '2s'.");
  const cacheFor = toMs(options.cacheFor ?? 0);
  const interval = toMs(options.interval ?? 0);
  return { name, check, groups: [...groups], critical, timeout, cacheFor, interval, failureThreshold };
}
