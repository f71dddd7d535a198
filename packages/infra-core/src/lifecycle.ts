import { messageOf } from './errors.ts';
import { logger, logSafely } from './logger.ts';
import { slot } from './slots.ts';
import { type Duration, toMs } from './time.ts';

/**
 * The steps of a shutdown, in order: `drain` (finish the work in hand), `stop` (servers and workers), `close`
 * (connections), `flush` (metrics and traces). Inside a step, what was registered last goes first.
 */
export type ShutdownPhase = 'drain' | 'stop' | 'close' | 'flush';

const PHASES: readonly ShutdownPhase[] = ['drain', 'stop', 'close', 'flush'];

/** What a shutdown hook is told. */
export interface ShutdownContext {
  /** Aborts when the hook's time is up. */
  readonly signal: AbortSignal;
  /** Why the process shuts down: `SIGTERM`, or what {@link shutdown} was given. */
  readonly reason: string;
  /** Milliseconds it has; 0 when the deadline for everything has passed. */
  readonly timeout: number;
}

/** Work to do at shutdown. What it returns appears in the report, not in the log. It must not await {@link shutdown}. */
export type ShutdownHook = (context: ShutdownContext) => unknown;

/** How a hook is run. */
export interface OnShutdownOptions {
  /** @default 'close' */
  phase?: ShutdownPhase;
  /** How long the rest waits for it. @default '10s' */
  timeout?: Duration;
}

/** How one hook went. */
export interface ShutdownHookReport {
  readonly name: string;
  readonly phase: ShutdownPhase;
  readonly status: 'done' | 'failed' | 'timeout';
  /** Milliseconds it took. */
  readonly ms: number;
  /** What it returned. */
  readonly result?: unknown;
  /** What it threw, as text. */
  readonly error?: string;
}

/** How a shutdown went. */
export interface ShutdownReport {
  readonly reason: string;
  /** True when every hook was done in time. */
  readonly ok: boolean;
  /** Milliseconds it took. */
  readonly ms: number;
  readonly hooks: readonly ShutdownHookReport[];
}

/** How a whole shutdown is run. */
export interface ShutdownOptions {
  /**
   * Time for everything. The hooks that are left then are all started at once, with their signal aborted, and not
   * awaited. @default '30s'
   */
  deadline?: Duration;
  /** Wait between "not ready" and the first step, for a load balancer to notice: one probe period or more. @default 0 */
  drainDelay?: Duration;
}

/** `running`, then `draining` from the first moment of a shutdown, then `stopped`. */
export type LifecycleState = 'running' | 'draining' | 'stopped';

interface Hook {
  readonly name: string;
  readonly fn: ShutdownHook;
  readonly phase: ShutdownPhase;
  readonly timeout: number;
}

interface Lifecycle {
  state: LifecycleState;
  readonly hooks: Set<Hook>;
  report?: Promise<ShutdownReport>;
}

/** The lifecycle shared by every copy of core. */
const lifecycleSlot = (): Lifecycle =>
  slot<Lifecycle>('lifecycle', 1, () => ({ state: 'running', hooks: new Set<Hook>() }));

/** Whether the process runs, drains or has stopped. Readiness follows it. */
export function lifecycleState(): LifecycleState {
  return lifecycleSlot().state;
}

/** Registers work for shutdown; the returned function takes it back. `name` appears in the report. */
export function onShutdown(name: string, fn: ShutdownHook, options: OnShutdownOptions = {}): () => void {
  const hook: Hook = { name, fn, phase: options.phase ?? 'close', timeout: toMs(options.timeout ?? '10s') };
  const { hooks } = lifecycleSlot();
  hooks.add(hook);
  return () => {
    hooks.delete(hook);
  };
}

/**
 * Shuts down in order: not ready → `drainDelay` → drain → stop → close → flush → logger. A hook that fails or hangs
 * never stops the rest. Never rejects; a second call gets the first one's report.
 *
 * @throws {@link InvalidDurationError} `E_DURATION` when an option is not a duration.
 */
export function shutdown(reason = 'shutdown', options: ShutdownOptions = {}): Promise<ShutdownReport> {
  const lifecycle = lifecycleSlot();
  const deadline = toMs(options.deadline ?? '30s');
  const drainDelay = Math.min(toMs(options.drainDelay ?? 0), deadline);
  lifecycle.report ??= run(lifecycle, reason, deadline, drainDelay);
  return lifecycle.report;
}

async function run(
  lifecycle: Lifecycle,
  reason: string,
  deadline: number,
  drainDelay: number,
): Promise<ShutdownReport> {
  const { hooks } = lifecycle;
  const startedAt = performance.now();
  /** Whole milliseconds, as timers have. They may fire early by more than one, so that two are none. */
  const left = (): number => {
    const ms = Math.floor(deadline - (performance.now() - startedAt));
    return ms > 2 ? ms : 0;
  };
  const reports: ShutdownHookReport[] = [];
  lifecycle.state = 'draining';
  if (drainDelay > 0) await wait(drainDelay).done;
  for (let hook = take(hooks); hook; hook = take(hooks)) {
    if (left() === 0) {
      reports.push(...(await runLate([hook, ...inOrder(hooks)], reason)));
      break;
    }
    reports.push(await runHook(hook, reason, Math.min(hook.timeout, left())));
  }
  hooks.clear();
  lifecycle.state = 'stopped';
  const ms = Math.round(performance.now() - startedAt);
  const report = { reason, ok: reports.every(({ status }) => status === 'done'), ms, hooks: reports };
  log(report);
  return report;
}

/** By phase; inside a phase the one registered last comes first. */
const inOrder = (hooks: Set<Hook>): Hook[] =>
  PHASES.flatMap((phase) => [...hooks].filter((hook) => hook.phase === phase).reverse());

/** Takes the next hook. Asked anew each time, so that one registered by another, even for a phase that is over, runs. */
function take(hooks: Set<Hook>): Hook | undefined {
  const [next] = inOrder(hooks);
  if (next) hooks.delete(next);
  return next;
}

/** Out of time: the hooks that are left are told so, and get one turn to let go of what they hold. */
const runLate = (hooks: readonly Hook[], reason: string): Promise<ShutdownHookReport[]> =>
  Promise.all(hooks.map((hook) => runHook(hook, reason, 0)));

async function runHook(hook: Hook, reason: string, budget: number): Promise<ShutdownHookReport> {
  const { name, phase } = hook;
  const startedAt = performance.now();
  const controller = new AbortController();
  if (budget === 0) controller.abort();
  const timer = wait(budget);
  const outcome = await Promise.race([
    (async () => ({
      status: 'done' as const,
      result: await hook.fn({ signal: controller.signal, reason, timeout: budget }),
    }))().catch((thrown: unknown) => ({ status: 'failed' as const, error: messageOf(thrown) })),
    timer.done.then(() => ({
      status: 'timeout' as const,
      error: budget > 0 ? `not done after ${budget} ms` : 'no time was left',
    })),
  ]);
  timer.cancel();
  controller.abort();
  const ms = Math.round(performance.now() - startedAt);
  const { result, ...rest } = { result: undefined, ...outcome };
  return { name, phase, ms, ...rest, ...(result === undefined ? {} : { result }) };
}

/** The last thing that is done. What hooks returned stays out of it: it may be anything. */
function log({ hooks, ok, ...rest }: ShutdownReport): void {
  const shown = hooks.map(({ result: _, ...hook }) => hook);
  logSafely(
    ok ? 'info' : 'warn',
    { shutdown: { ...rest, ok, hooks: shown } },
    ok ? 'shut down' : 'shut down with problems',
  );
  try {
    logger.flush?.();
  } catch {
    // A logger that cannot be made has nothing to flush; logSafely() has said so.
  }
}

/** A wait that does keep the process alive: a shutdown must not end because nothing else is left to do. */
function wait(ms: number): { done: Promise<void>; cancel: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const done = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return { done, cancel: () => clearTimeout(timer) };
}
