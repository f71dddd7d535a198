import { type ShutdownOptions, type ShutdownReport, shutdown } from './lifecycle.ts';
import { logSafely } from './logger.ts';
import { type Duration, toMs } from './time.ts';

/** How signals are handled. */
export interface SignalOptions extends ShutdownOptions {
  /** @default ['SIGTERM', 'SIGINT'] */
  signals?: readonly `SIG${string}`[];
  /** Time for the whole shutdown; keep it under the platform's grace period (30 s on Kubernetes). @default '25s' */
  deadline?: Duration;
  /** Called with the report before the process exits. */
  onReport?: (report: ShutdownReport) => void;
}

/**
 * Shuts the process down in order on SIGTERM and SIGINT, then exits: 0 when every hook was done, else 1. A second
 * signal exits at once with 1. The returned function takes the handlers away again.
 *
 * @throws {@link InvalidDurationError} `E_DURATION` when an option is not a duration.
 */
export function installSignalHandlers(options: SignalOptions = {}): () => void {
  const { signals = ['SIGTERM', 'SIGINT'], onReport } = options;
  // Read here, so that a wrong duration is an error at start and not in the middle of a shutdown.
  const deadline = toMs(options.deadline ?? '25s');
  const drainDelay = toMs(options.drainDelay ?? 0);
  let received = false;
  const handler = (signal: NodeJS.Signals): void => {
    if (received) {
      logSafely('warn', { signal }, 'second signal: exiting at once');
      process.exit(1);
    }
    received = true;
    logSafely('info', { signal }, 'shutting down; a second signal exits at once');
    void shutdown(signal, { deadline, drainDelay }).then((report) => {
      try {
        onReport?.(report);
      } catch (err) {
        logSafely('error', { err }, 'onReport threw');
      }
      process.exit(report.ok ? 0 : 1);
    });
  };
  for (const signal of signals) process.on(signal, handler);
  return () => {
    for (const signal of signals) process.off(signal, handler);
  };
}
