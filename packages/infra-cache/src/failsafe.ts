import { type Clock, isInfraError, logger, messageOf } from './core.ts';

/** Lets reads go on without the cache while it does not answer. */
export interface Failsafe {
  /** What `work` returns; `otherwise` when the cache is away. Other errors pass. */
  orElse<T>(work: () => Promise<T>, otherwise: T): Promise<T>;
}

/** How long it must have gone well before an outage counts as over: a call that times out now and then is one. */
const QUIET = 5000;

const log = logger.child({ module: 'cache' });

/** True for an error that says that the cache is away. */
const isOutage = (error: unknown): boolean =>
  isInfraError(error, 'E_CACHE_UNAVAILABLE') || isInfraError(error, 'E_CACHE_TIMEOUT');

/** Makes a {@link Failsafe}, which logs the beginning and the end of an outage, once each. */
export function failsafe(driver: string, clock: Clock): Failsafe {
  let failedAt: number | undefined;
  const worked = (): void => {
    if (failedAt === undefined || clock.now() - failedAt < QUIET) return;
    failedAt = undefined;
    log.info({ driver }, 'the cache answers again');
  };
  const failed = (error: unknown): void => {
    if (failedAt === undefined)
      log.warn(
        { driver, code: (error as { code?: unknown }).code, reason: messageOf(error) },
        'the cache does not answer: until it does, reads are misses',
      );
    failedAt = clock.now();
  };
  return {
    async orElse(work, otherwise) {
      try {
        const result = await work();
        worked();
        return result;
      } catch (error) {
        if (!isOutage(error)) throw error;
        failed(error);
        return otherwise;
      }
    },
  };
}
