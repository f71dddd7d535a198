import type { RedisClient, RedisConnection } from './client.ts';
import { type HealthResult, messageOf } from './core.ts';
import { mastersOf } from './nodes.ts';

/** Sends a PING on each connection. */
export async function checkConnections(
  connections: readonly RedisConnection[],
  signal: AbortSignal,
): Promise<HealthResult> {
  const checked = await Promise.all(connections.map((one) => checkOne(one, signal)));
  const problem = checked.find(({ error }) => error !== undefined)?.error;
  return {
    status: problem === undefined ? 'ok' : 'error',
    message: problem ?? (checked.length === 0 ? 'no connection is open' : 'answers'),
    data: { connections: checked.map(({ name, said }) => `${name}: ${said}`) },
  };
}

async function checkOne(
  connection: RedisConnection,
  signal: AbortSignal,
): Promise<{ name: string; said: string; error?: string }> {
  const { name, address } = connection;
  const startedAt = performance.now();
  try {
    await orAborted(connection.run(ping), signal);
    return { name, said: `${address} answered in ${Math.round(performance.now() - startedAt)} ms` };
  } catch (thrown) {
    const error = messageOf(thrown);
    return { name, said: error, error };
  }
}

async function ping(client: RedisClient): Promise<void> {
  await Promise.all(mastersOf(client).map((node) => node.call('PING')));
}

async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  await Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', stop));
}
