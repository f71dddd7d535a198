import type { Schedule } from '../../driver.ts';
import type { Store } from './store.ts';
import { missingSchedules, storeSchedule } from './ticker.ts';

const LOOK_EVERY = 5000;

/**
 * Stores those schedules of this process again that are gone though nobody removed them: FLUSHALL, a restart without an
 * append-only file or from an older snapshot does that, and nobody else would store them before the next deploy. Each
 * process looks after its own. The returned function ends it.
 */
export function restoreSchedules(
  store: Store,
  queue: string,
  schedules: () => readonly Schedule[],
  failed: (thrown: unknown) => void,
): () => void {
  const look = async (): Promise<void> => {
    for (const schedule of await missingSchedules(store, queue, schedules()))
      await storeSchedule(store, schedule);
  };
  const timer = setInterval(() => void look().catch(failed), LOOK_EVERY);
  timer.unref();
  return () => clearInterval(timer);
}
