import { type CheckSettings, type RegisteredCheck, registeredCheck } from './check.ts';
import type { CheckHealthOptions } from './checks.ts';
import type { Clock, LifecycleState } from './core.ts';
import { type HealthReport, type HealthRow, statusOf, worseOf } from './report.ts';

/** What an engine works on. */
export interface EngineSettings {
  /** The checks as they are registered now, by name. */
  readonly checks: ReadonlyMap<string, CheckSettings>;
  readonly clock: Clock;
  readonly lifecycle: () => LifecycleState;
  readonly isStarted: () => boolean;
}

/** The working part of a registry: it runs checks and remembers how they went. */
export interface Engine {
  check(options: CheckHealthOptions): Promise<HealthReport>;
  /** Runs one check, for the background. */
  run(settings: CheckSettings): Promise<unknown>;
  /** Ends the wait for a check's run under way. */
  stop(settings: CheckSettings): void;
}

/** Groups that may be empty. Any other one without a check is a misspelt name. */
const KNOWN: readonly string[] = ['ready', 'live', 'startup'];

/** Makes the working part of a registry. */
export function openEngine({ checks, clock, lifecycle, isStarted }: EngineSettings): Engine {
  const stalls = { lastAt: Number.NEGATIVE_INFINITY };
  const memory = new WeakMap<CheckSettings, RegisteredCheck>();
  const registered = (settings: CheckSettings): RegisteredCheck => {
    const made = memory.get(settings) ?? registeredCheck(settings, clock, stalls);
    memory.set(settings, made);
    return made;
  };

  /** What is wrong where no check says so. */
  const obstacle = (group: string | undefined, found: number): string | undefined => {
    if (group === 'startup' && !isStarted()) return 'starting: markStarted() was not called yet';
    if (group !== undefined && found === 0 && !KNOWN.includes(group))
      return `no check belongs to the group ${JSON.stringify(group)}`;
    return undefined;
  };

  return {
    async check({ group, fresh = false, signal }) {
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
      const chosen = [...checks.values()].filter(
        ({ groups }) => group === undefined || groups.includes(group),
      );
      const patience = untilAborted(clock, signal);
      // No timer of a clock keeps the process alive: a check that hangs would end a script in place of failing.
      const hold = setInterval(() => undefined, 2 ** 30);
      const rows = await Promise.all(
        chosen.map((settings) => patience.row(registered(settings).row(fresh), settings)),
      );
      clearInterval(hold);
      patience.end();
      return report(rows, obstacle(group, chosen.length));
    },
    run: (settings) => registered(settings).row(true),
    stop: (settings) => memory.get(settings)?.stop(),
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
