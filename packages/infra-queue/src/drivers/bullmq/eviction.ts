import { isInfraError } from '@vibeonrails/infra-core';
import type { StoreWarning } from '../../driver.ts';
import type { Store } from './store.ts';

const HELP = 'Set it to noeviction, or give the queue a Redis of its own by QUEUE_REDIS_URL.';

/** Whether a server of the store throws keys away when its memory is full: those would be jobs, and the locks of jobs. */
export async function evictionWarning(store: Store): Promise<StoreWarning | undefined> {
  const { mastersOf } = await import('@vibeonrails/infra-redis');
  const infos = await store
    .run(({ client }) => Promise.all(mastersOf(client).map((master) => master.call('INFO', 'memory'))))
    .catch((thrown: unknown) => {
      // Such as a login that may not ask.
      if (isInfraError(thrown, 'E_REDIS_REPLY')) return [''];
      throw thrown;
    });
  const warnings = infos.map((info) => warningOf(String(info))).filter((warning) => warning !== undefined);
  return warnings.find(({ status }) => status === 'error') ?? warnings[0];
}

/** What the memory section of `INFO` comes to. */
export function warningOf(info: string): StoreWarning | undefined {
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy === 'noeviction') return undefined;
  if (policy === undefined)
    return {
      status: 'degraded',
      message:
        'Redis does not say whether it may evict jobs: `INFO memory` has no maxmemory_policy. It must be noeviction.',
    };
  // Without a limit nothing is evicted, until somebody sets one.
  if (/^maxmemory:0\s*$/m.test(info))
    return {
      status: 'degraded',
      message: `Redis would evict jobs if its memory were limited: its maxmemory-policy is ${policy}. ${HELP}`,
    };
  return {
    status: 'error',
    message: `Redis evicts jobs when its memory is full: its maxmemory-policy is ${policy}. ${HELP}`,
  };
}
