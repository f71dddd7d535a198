import { randomUUID } from 'node:crypto';
import { mastersOf, type RedisClient } from '@vibeonrails/infra-redis';
import type { CacheDriver } from '../driver.ts';
import { CacheCounterError, CacheUnavailableError } from '../errors.ts';
import type { RedisLink } from './link.ts';
import { announcement } from './messages.ts';
import { DELETE, evaluate, INCREMENT, type Script, SET, TAKE, TOUCH } from './scripts.ts';

/** An entry, and the milliseconds it has left. */
export interface TimedText {
  readonly text: string;
  readonly ttl: number;
}

/** The entries in Redis. */
export interface RedisStore extends Omit<CacheDriver, 'name' | 'ready' | 'close' | 'watch'> {
  /** Like `get`, and the time that each has left. */
  getTimed(keys: readonly string[]): Promise<(TimedText | undefined)[]>;
  /** Who announces its writes under this name: this store, unless one of them failed since. */
  readonly origin: string;
}

/** Keys of one command: few enough that it does not hold up a server that others use. */
const BATCH = 500;

/** Milliseconds as Redis takes them: whole, and no more than it can add to its clock. */
const milliseconds = (ttl: number): number => Math.min(Math.max(1, Math.round(ttl)), 8.64e15);

/** Runs a script that announces its keys. */
type Run = (
  client: RedisClient,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<unknown>;

/** Makes the store; writes are announced on `channel`. */
export function redisStore(link: RedisLink, channel: string): RedisStore {
  let origin = randomUUID();

  async function write<T>(work: (client: RedisClient, run: Run) => Promise<T>): Promise<T> {
    const from = origin;
    const run: Run = (client, script, keys, args) =>
      evaluate(client, script, keys, [channel, announcement({ from, keys }), ...args]);
    try {
      return await link.run((client) => work(client, run));
    } catch (error) {
      // It may be carried out yet. Then it has to be heard here as well, as if it came from somebody else.
      if (origin === from) origin = randomUUID();
      throw error;
    }
  }
  const writeOne = <T>(script: Script, key: string, ...args: (string | number)[]): Promise<T> =>
    write(async (client, run) => (await run(client, script, [key], args)) as T);

  return {
    get origin() {
      return origin;
    },
    get: (keys) => link.run((client) => read(client, keys)),
    getTimed: (keys) => link.run((client) => readTimed(client, keys)),
    set: async (key, value, ttl, { ifAbsent = false } = {}) =>
      (await writeOne<number>(SET, key, value, milliseconds(ttl), ifAbsent ? '1' : '0')) === 1,
    delete: (keys) =>
      write(async (client, run) => {
        const counts = groupsOf(client, keys).map((group) => run(client, DELETE, group, []));
        return (await Promise.all(counts)).reduce<number>((sum, count) => sum + Number(count), 0);
      }),
    take: async (key) => (await writeOne<string | null>(TAKE, key)) ?? undefined,
    async increment(key, by, ttl) {
      const sum = await writeOne<string | null>(INCREMENT, key, String(by), milliseconds(ttl));
      if (sum === null) throw new CacheCounterError(key);
      return Number(sum);
    },
    touch: async (key, ttl) => (await writeOne<number>(TOUCH, key, milliseconds(ttl))) === 1,
    async clear(prefix) {
      const nodes = await link.run(mastersOf);
      await Promise.all(nodes.map((node) => clearNode(link, node, `${literally(prefix)}*`)));
      await link.run((client) => client.call('publish', channel, announcement({ from: origin })));
    },
  };
}

/** The keys by command: on a cluster those of one must share a slot, and ours do not. */
function groupsOf({ isCluster }: RedisClient, keys: readonly string[]): string[][] {
  const size = isCluster ? 1 : BATCH;
  return Array.from({ length: Math.ceil(keys.length / size) }, (_, i) =>
    keys.slice(i * size, (i + 1) * size),
  );
}

const textOf = (reply: unknown): string | undefined => (typeof reply === 'string' ? reply : undefined);

async function read(client: RedisClient, keys: readonly string[]): Promise<(string | undefined)[]> {
  // None waits for another, and on a cluster each goes to the node of its slot.
  const replies = groupsOf(client, keys).map((group) => client.call('mget', ...group));
  return (await Promise.all(replies)).flat().map(textOf);
}

/*
 * Two commands a key. Between them an entry may be replaced by one that lives longer; its announcement then takes
 * away what was read.
 */
async function readTimed(client: RedisClient, keys: readonly string[]): Promise<(TimedText | undefined)[]> {
  const replies = await Promise.all(
    groupsOf(client, keys).map(async (group) => {
      const ttls = group.map((key) => ['pttl', key]);
      const [texts, ...left] = await all(client, [['mget', ...group], ...ttls]);
      return (texts as unknown[]).map((text, i) => ({ text: textOf(text), ttl: Number(left[i]) }));
    }),
  );
  // An entry without an expiry is none of ours; how long it stays in memory is for the memory to say.
  return replies
    .flat()
    .map(({ text, ttl }) =>
      text === undefined ? undefined : { text, ttl: ttl === -1 ? Number.POSITIVE_INFINITY : ttl },
    );
}

/** The replies of commands sent in one go. */
async function all(client: RedisClient, commands: unknown[][]): Promise<unknown[]> {
  const outcomes = await client.pipeline(commands).exec();
  if (!outcomes) throw new CacheUnavailableError('the commands were dropped with the connection.');
  return outcomes.map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
}

/** Text that a pattern of SCAN takes literally. */
const literally = (text: string): string => text.replace(/[\\*?[\]]/g, '\\$&');

/** Walks through a server's keys step by step, each within the time of one command. */
async function clearNode(link: RedisLink, node: RedisClient, pattern: string): Promise<void> {
  let cursor = '0';
  do {
    const scan = () => node.call('scan', cursor, 'match', pattern, 'count', 2 * BATCH);
    const [next, keys] = (await link.run(scan)) as [string, string[]];
    if (keys.length > 0) await link.run((client) => unlink(client, keys));
    cursor = next;
  } while (cursor !== '0');
}

async function unlink(client: RedisClient, keys: readonly string[]): Promise<void> {
  await Promise.all(groupsOf(client, keys).map((group) => client.call('unlink', ...group)));
}
