import type { Schedule } from '../../driver.ts';
import { registryKey } from './keys.ts';
import type { Store } from './store.ts';
import { storeSchedule } from './ticker.ts';

const LOOK_EVERY = 5000;

/**
 * Stores the schedules of this process again when the store was emptied beneath it, as FLUSHALL or a restart without an
 * append-only file does: nobody else would before the next deploy. The returned function ends it.
 */
export function restoreSchedules(
  store: Store,
  queue: string,
  schedules: () => readonly Schedule[],
  failed: (thrown: unknown) => void,
): () => void {
  const look = async (): Promise<void> => {
    if (schedules().length === 0) return;
    const known = await store.run(({ client }) => client.call('SISMEMBER', registryKey(store.prefix), queue));
    // One that was removed by hand stays removed: the queue is still known then.
    if (known === 1) return;
    for (const schedule of schedules()) await storeSchedule(store, schedule);
    await store.run((access) => access.client.call('SADD', registryKey(store.prefix), queue));
  };
  const timer = setInterval(() => void look().catch(failed), LOOK_EVERY);
  timer.unref();
  return () => clearInterval(timer);
}
