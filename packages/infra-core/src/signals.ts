import type { Duration } from './duration.ts';
import { type ShutdownOptions, type ShutdownReport, shutdown } from './lifecycle.ts';
import { logger } from './logger.ts';

/** How signals are handled. */
export interface SignalOptions extends ShutdownOptions {
  /** @default ['SIGTERM', 'SIGINT'] */
  signals?: readonly NodeJS.Signals[];
  /** Time for the whole shutdown; keep it under the platform's grace period (30 s on Kubernetes). @default '25s' */
  deadline?: Duration;
  /** Called with the report before the process exits. */
  onReport?: (report: ShutdownReport) => void;
}

/**
 * Shuts the process down in order on SIGTERM and SIGINT, then exits: 0 when every hook was done, else 1. A second
 * signal exits at once with 1. The returned function takes the handlers away again.
 */
export function installSignalHandlers(options: SignalOptions = {}): () => void {
  const { signals = ['SIGTERM', 'SIGINT'], onReport, deadline = '25s', ...rest } = options;
  let received = false;
  const handler = (signal: NodeJS.Signals): void => {
    if (received) {
      logger.warn({ signal }, 'second signal: exiting at once');
      logger.flush?.();
      process.exit(1);
    }
    received = true;
    logger.info({ signal }, 'shutting down; a second signal exits at once');
    void shutdown(signal, { deadline, ...rest }).then((report) => {
      try {
        onReport?.(report);
      } finally {
        process.exit(report.ok ? 0 : 1);
      }
    });
  };
  for (const signal of signals) process.on(signal, handler);
  return () => {
    for (const signal of signals) process.off(signal, handler);
  };
}
