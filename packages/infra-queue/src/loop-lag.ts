const EVERY = 500;
/** Less is common where much is done at once. */
const LIMIT = 1000;
const QUIET_FOR = 30_000;

/**
 * Looks twice a second how late a timer is, and reports a wait of more than a second, in milliseconds, at most twice a
 * minute: handlers that block the event loop delay every other one, its timeouts and its cancellations. Returns what ends it.
 */
export function watchEventLoop(report: (late: number) => void): () => void {
  let due = performance.now() + EVERY;
  let told = Number.NEGATIVE_INFINITY;
  const timer = setInterval(() => {
    const now = performance.now();
    const late = now - due;
    due = now + EVERY;
    if (late < LIMIT || now - told < QUIET_FOR) return;
    told = now;
    report(Math.round(late));
  }, EVERY);
  timer.unref();
  return () => clearInterval(timer);
}
