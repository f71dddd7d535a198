import { parentPort } from 'node:worker_threads';
import { connectRedis, type RedisConnection } from '@vibeonrails/infra-redis';
import type { ThreadAddress } from './address.ts';
import { RENEW_EVERY, renewLocks } from './lock-renewal.ts';
import { heldLocks } from './lock-table.ts';

/** A queue to watch over, or the end of one. */
export type ThreadMessage =
  | {
      readonly type: 'watch';
      readonly watch: number;
      /** What the keys of the queue start with. */
      readonly base: string;
      readonly table: SharedArrayBuffer;
      readonly address: ThreadAddress;
    }
  | { readonly type: 'leave'; readonly watch: number };

/** A connection, for every queue at its address. */
interface Shared {
  readonly key: string;
  readonly connection: RedisConnection;
  users: number;
}

interface Watched {
  readonly base: string;
  readonly table: SharedArrayBuffer;
  readonly shared: Shared;
  busy: boolean;
}

const watched = new Map<number, Watched>();
const connections = new Map<string, Shared>();

function connect(address: ThreadAddress): Shared {
  const key = JSON.stringify(address);
  const shared = connections.get(key) ?? { key, users: 0, connection: open(address) };
  connections.set(key, shared);
  shared.users += 1;
  return shared;
}

const open = (address: ThreadAddress): RedisConnection =>
  connectRedis({
    ...address,
    for: 'queue',
    name: 'infra-queue-locks',
    // Several tries within the time a lock holds.
    connectTimeout: 1000,
    commandTimeout: 1000,
  });

function leave(watch: number): void {
  const shared = watched.get(watch)?.shared;
  watched.delete(watch);
  if (!shared) return;
  shared.users -= 1;
  if (shared.users > 0) return;
  connections.delete(shared.key);
  void shared.connection.close();
}

async function renew(queue: Watched): Promise<void> {
  if (queue.busy) return;
  const locks = heldLocks(queue.table, Date.now());
  if (locks.length === 0) return;
  queue.busy = true;
  try {
    // What is lost is noticed by the thread that runs it, as soon as that can do anything about it.
    await queue.shared.connection.run((client) => renewLocks(client, queue.base, locks));
  } catch {
    // The next round tries again; that Redis is away is logged by those who use it for more.
  } finally {
    queue.busy = false;
  }
}

parentPort?.on('message', (message: ThreadMessage) => {
  if (message.type === 'leave') return leave(message.watch);
  const { watch, base, table, address } = message;
  const shared = connect(address);
  watched.set(watch, { base, table, shared, busy: false });
  const greet = (): void => {
    shared.connection.ready().then(
      () => parentPort?.postMessage(watch),
      () => void (watched.has(watch) && setTimeout(greet, RENEW_EVERY)),
    );
  };
  greet();
});

setInterval(() => {
  for (const queue of watched.values()) void renew(queue);
}, RENEW_EVERY);
