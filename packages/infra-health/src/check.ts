import { type Clock, type HealthCheck, logger, type Operation, operation } from './core.ts';
import type { HealthRow } from './report.ts';
import { failure } from './report.ts';
import { deferred, type Outcome, runCheck, type Stalls } from './run.ts';

/** A check's settings, complete and in milliseconds. */
export interface CheckSettings {
  readonly name: string;
  readonly check: HealthCheck;
  readonly groups: readonly string[];
  readonly critical: boolean;
  readonly timeout: number;
  readonly cacheFor: number;
  /** 0: it runs only when asked. */
  readonly interval: number;
  readonly failureThreshold: number;
}

/** A check with its memory: the last row, the failures in a row, and the run under way. */
export interface RegisteredCheck {
  /** Its row: from the cache, of the run under way, or of a new one; `fresh` skips the cache. Never rejects. */
  row(fresh: boolean): Promise<HealthRow>;
  /** Ends the wait for the run under way. */
  stop(): void;
}

/** A run that has not come back after this many timeouts is left to itself and another one may start… */
const LEFT_ALONE_AFTER = 10;
/** …as long as fewer than these are out. */
const MAX_OUT = 3;

/** A run, from its start until the check itself has come back: that can be long after the answer was given. */
interface Flight {
  readonly startedAt: number;
  readonly row: Promise<HealthRow>;
  answered: boolean;
  back: boolean;
  stop(): void;
}

const runs: Operation<'health.check'> = operation('health.check');
const log = logger.child({ module: 'health' });

/** Gives a check its memory. */
export function registeredCheck(settings: CheckSettings, clock: Clock, stalls: Stalls): RegisteredCheck {
  const { name, timeout, interval } = settings;
  const maxAge = interval > 0 ? Math.max(settings.cacheFor, interval + timeout) : settings.cacheFor;
  const conclude = concluder(settings, clock);
  let last: { readonly row: HealthRow; readonly at: number } | undefined;
  let flight: Flight | undefined;
  let out = 0;

  const remember = (outcome: Outcome, startedAt: number): HealthRow => {
    const row = conclude(outcome, startedAt);
    last = { row, at: clock.now() };
    return row;
  };

  const start = (): Promise<HealthRow> => {
    const { promise: row, resolve: finish } = deferred<HealthRow>();
    const mine: Flight = { startedAt: clock.now(), row, answered: false, back: false, stop: () => undefined };
    // Known before the check is called, so that one that asks for the whole report waits for itself and does not recurse.
    flight = mine;
    out += 1;
    const traced = runs.trace(
      async () => {
        const run = runCheck(settings.check, timeout, clock, stalls);
        mine.stop = run.stop;
        void run.settled.then(() => {
          mine.back = true;
          out -= 1;
        });
        return remember(await run.outcome, mine.startedAt);
      },
      { name },
    );
    void traced.then((made) => {
      mine.answered = true;
      finish(made);
    });
    return row;
  };

  const row = async (fresh: boolean): Promise<HealthRow> => {
    if (flight && !flight.answered) return flight.row;
    if (!fresh && last && clock.now() - last.at < maxAge) return last.row;
    if (!flight || flight.back) return start();
    const late = clock.now() - flight.startedAt;
    if (late >= timeout * LEFT_ALONE_AFTER && out < MAX_OUT) return start();
    return remember({ result: failure(`has not come back for ${late} ms`) }, flight.startedAt);
  };

  return {
    row,
    stop: () => flight?.stop(),
  };
}

/** Turns outcomes into rows: counts the failures in a row, and logs each change of status. */
function concluder(
  settings: CheckSettings,
  clock: Clock,
): (outcome: Outcome, startedAt: number) => HealthRow {
  const { name, critical, failureThreshold } = settings;
  let failures = 0;
  let wasOk = false;
  let before = 'ok';
  return ({ result, thrown }, startedAt) => {
    const failed = result.status === 'error';
    failures = failed ? failures + 1 : 0;
    wasOk ||= !failed;
    // A check that never worked gets no patience: nothing has shown yet that this process can reach the thing.
    const patient = failed && wasOk && failures < failureThreshold;
    const status = patient ? 'degraded' : result.status;
    const row: HealthRow = {
      name,
      ...result,
      status,
      critical,
      ms: Math.round(clock.now() - startedAt),
      checkedAt: new Date(startedAt).toISOString(),
      failures,
    };
    if (status !== before) logChange(row, before, thrown);
    before = status;
    return row;
  };
}

function logChange(
  { name, status, message, failures, ms }: HealthRow,
  before: string,
  thrown: unknown,
): void {
  const fields = { check: name, status, before, failures, ms, ...(message ? { reason: message } : {}) };
  const words = status === 'error' ? 'a health check failed' : 'a health check is degraded';
  try {
    if (status === 'ok') log.info(fields, 'a health check recovered');
    else log.warn(thrown === undefined ? fields : { ...fields, err: thrown }, words);
  } catch {
    // A line that cannot be written must not cost the report.
  }
}
