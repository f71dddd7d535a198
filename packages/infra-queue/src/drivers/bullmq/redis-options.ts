import type { ConnectRedisOptions } from '@vibeonrails/infra-redis';

/** Where the queue's Redis is: an address, or a client of the application's. @default QUEUE_REDIS_URL, else REDIS_URL */
export type QueueRedisOptions = Pick<ConnectRedisOptions, 'url' | 'client' | 'tls'>;
