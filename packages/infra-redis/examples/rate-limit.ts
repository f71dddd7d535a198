// At most so many requests of a visitor in a window of time, counted in Redis for all processes together.
// REDIS_URL=redis://localhost node --import tsx --conditions @vibeonrails/infra-source examples/rate-limit.ts
import { isInfraError } from '@vibeonrails/infra-core';
import { connectRedis } from '@vibeonrails/infra-redis';

// A visitor waits for the answer, so a late one is of no use.
const redis = connectRedis({ failFast: true, commandTimeout: '500ms' });
await redis.ready();

/** Counts and starts the window as one step: a process that ends in between would leave a count without an end. */
const COUNT = `
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return { count, redis.call('PTTL', KEYS[1]) }`;

interface Verdict {
  readonly allowed: boolean;
  /** Milliseconds until the next window. */
  readonly retryAfter: number;
}

async function limit(visitor: string, { max, ms }: { max: number; ms: number }): Promise<Verdict> {
  try {
    const key = `limit:${visitor}`;
    const [count = 0, left = 0] = (await redis.run((client) =>
      client.call('EVAL', COUNT, 1, key, ms),
    )) as number[];
    return { allowed: count <= max, retryAfter: count <= max ? 0 : left };
  } catch (error) {
    // Redis is away: serve all rather than none. For a login it should be the other way round.
    if (!isInfraError(error) || !error.retryable) throw error;
    return { allowed: true, retryAfter: 0 };
  }
}

const visitor = `example-${process.pid}`;
for (let request = 1; request <= 7; request += 1) {
  const { allowed, retryAfter } = await limit(visitor, { max: 5, ms: 10_000 });
  console.log(`request ${request}:`, allowed ? 'served' : `429, again in ${Math.ceil(retryAfter / 1000)} s`);
}

await redis.run((client) => client.call('UNLINK', `limit:${visitor}`));
await redis.close();
