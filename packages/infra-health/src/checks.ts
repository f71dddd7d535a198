import type { CheckSettings } from './check.ts';
import {
  type Clock,
  type Duration,
  type HealthCheck,
  type LifecycleState,
  lifecycleState,
  type ModuleInstance,
  once,
  onShutdown,
  systemClock,
  toMs,
} from './core.ts';
import { HealthCheckDuplicateError, HealthCheckInvalidError } from './errors.ts';
import type { HealthReport } from './report.ts';

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

/** Makes a registry of its own, independent of the default one. What runs its checks loads with the first of them. */
export function createHealth(options: HealthOptions = {}): Health {
  const { clock = systemClock, lifecycle = lifecycleState } = options;
  const timeout = toMs(options.timeout ?? '2s');
  const checks = new Map<string, CheckSettings>();
  const ticks = new Map<CheckSettings, () => void>();
  let started = false;
  const forgetHook = onShutdown('health', () => close(), { phase: 'stop' });
  const open = once(async () => {
    const { openEngine } = await import('./engine.ts');
    return openEngine({ checks, clock, lifecycle, isStarted: () => started });
  });

  const stop = async (settings: CheckSettings): Promise<void> => {
    ticks.get(settings)?.();
    ticks.delete(settings);
    const engine = await open.done()?.catch(() => undefined);
    engine?.stop(settings);
  };

  /** Background runs end; asked for, the checks still answer, so that the probes are served to the last. */
  async function close(): Promise<void> {
    forgetHook();
    await Promise.all(Array.from(checks.values(), stop));
  }

  return {
    register(name, fn, given = {}) {
      const settings = settingsOf(name, fn, given, timeout);
      const former = checks.get(name);
      if (former && !given.replace) throw new HealthCheckDuplicateError(name);
      if (former) void stop(former);
      checks.set(name, settings);
      if (settings.interval > 0)
        ticks.set(
          settings,
          every(settings.interval, clock, async () => (await open()).run(settings)),
        );
      return () => {
        void stop(settings);
        if (checks.get(name) === settings) checks.delete(name);
      };
    },
    check: async (given) => (await open()).check(given ?? {}),
    markStarted() {
      started = true;
    },
    async ready() {
      await open();
    },
    close,
  };
}

function every(interval: number, clock: Clock, work: () => Promise<unknown>): () => void {
  let stopped = false;
  let cancel = (): void => undefined;
  const arm = (): void => {
    cancel = clock.after(interval, () => void work().then(again, again));
  };
  const again = (): void => {
    if (!stopped) arm();
  };
  arm();
  return () => {
    stopped = true;
    cancel();
  };
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
