import type { KeepPolicy, Retention } from '../../driver.ts';
import { UNMARK } from './cancelling.ts';
import { unmarkArguments } from './keys.ts';
import type { Store } from './store.ts';

/** How long ended jobs are kept, as BullMQ takes it. */
export const retention = ({ count, age }: Retention): { count: number; age: number } => ({
  count,
  age: Math.ceil(age / 1000),
});

/** BullMQ forgets what is too old when another job ends; in a quiet queue none does. */
export async function sweepEnded(store: Store, queue: string, keep: KeepPolicy): Promise<void> {
  await store.run(async (access) => {
    const bull = access.queue(queue);
    await bull.clean(keep.completed.age, 1000, 'completed');
    await bull.clean(keep.dead.age, 1000, 'failed');
    await access.client.call('EVAL', UNMARK, ...unmarkArguments(store.keys(queue)));
  });
}
