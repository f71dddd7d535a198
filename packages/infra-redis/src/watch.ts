import { fatalError, wordsOf } from './classify.ts';
import type { RedisClient } from './client.ts';
import { logger } from './core.ts';

const log = logger.child({ module: 'redis' });

/** A client's connection, and what to do once the client is of no more use. */
interface Watched {
  readonly name: string;
  readonly address: string;
  /** True when the client is ours. */
  readonly owned: boolean;
  onUnusable(): void;
}

/**
 * Listens to a client from the start, so that no error of it goes unheard, and logs when the server goes and when it
 * comes back: once each, however many attempts lie between. The returned function ends it.
 */
export function watch(client: RedisClient, { name, address, owned, onUnusable }: Watched): () => void {
  let wasReady = client.status === 'ready';
  let gone = false;
  const lost = (reason: string): void => {
    if (!wasReady || gone) return;
    gone = true;
    log.warn({ connection: name, address, reason }, 'the connection to Redis is lost and tried again');
  };
  const listeners: [string, (error: unknown) => void][] = [
    [
      'ready',
      () => {
        if (gone) log.info({ connection: name, address }, 'the connection to Redis is back');
        wasReady = true;
        gone = false;
      },
    ],
    [
      'error',
      (error) => {
        lost(wordsOf(error));
        // The client would go on with another database than the one asked for.
        if (fatalError(error, address)?.code === 'E_REDIS_SETUP') onUnusable();
      },
    ],
    ['close', () => lost('the server closed it')],
    // It does not try again by itself; the application's own may be told to.
    ['end', () => owned && onUnusable()],
  ];
  for (const [event, listener] of listeners) client.on(event, listener);
  return () => {
    for (const [event, listener] of listeners) client.off(event, listener);
  };
}
