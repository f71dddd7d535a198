import type { RedisClient } from '@vibeonrails/infra-redis';
import type { StoreWarning } from '../../driver.ts';

/** The clock that all processes of a store share: that of its Redis, as far as this machine's is off. */
export interface ServerTime {
  /** Milliseconds since the epoch. */
  now(): number;
  /** How many milliseconds the machine's clock is ahead of it; negative when it is behind, 0 while that is next to nothing. */
  ahead(): number;
  /** Compares the clocks. */
  measure(client: RedisClient): Promise<void>;
}

/** A difference below this is as well the way to Redis and back. */
const LEAST = 1000;
/** After an answer that took longer, a clock that may be right is not called so. */
const SLOW = 500;

/** Makes {@link ServerTime}: the machine's own until it is measured. */
export function serverTime(): ServerTime {
  let ahead = 0;
  return {
    now: () => Date.now() - ahead,
    ahead: () => ahead,
    async measure(client) {
      const from = Date.now();
      const [seconds = 0, micros = 0] = ((await client.call('TIME')) as string[]).map(Number);
      const took = Date.now() - from;
      // The clock was set meanwhile.
      if (took < 0) return;
      const found = from + took / 2 - (seconds * 1000 + micros / 1000);
      if (Math.abs(found) >= Math.max(LEAST, took)) ahead = Math.round(found);
      else if (took <= SLOW) ahead = 0;
    },
  };
}

/** From here on it matters that a worker of BullMQ hands out delayed jobs by the clock of its own machine. */
const WRONG = 5000;

/** Whether the clock of this machine is off. */
export function clockWarning({ ahead }: ServerTime): StoreWarning | undefined {
  const by = ahead();
  if (Math.abs(by) < WRONG) return undefined;
  const [how, when] = by > 0 ? ['ahead of', 'early'] : ['behind', 'late'];
  return {
    status: 'degraded',
    message: `The clock of this machine is ${Math.round(Math.abs(by) / 1000)} s ${how} that of Redis: its workers start delayed jobs and retries so much too ${when}. Set it by NTP.`,
  };
}
