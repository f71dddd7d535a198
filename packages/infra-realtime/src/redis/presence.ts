import { type Clock, logger } from '@vibeonrails/infra-core';
import type { RedisClient } from '@vibeonrails/infra-redis';
import type { DriverEvents, PresenceMember, RealtimeDriver } from '../driver.ts';
import type { Link } from './link.ts';
import type { RedisNames } from './names.ts';
import { HEARTBEAT, JOIN, LEAVE, LIST, REAP, type Script } from './scripts.ts';

/** What presence needs. */
export interface RedisPresenceOptions {
  readonly link: Link;
  readonly names: RedisNames;
  /** This process, over all others. */
  readonly process: string;
  /** Milliseconds after which a process that gives no sign of life counts as dead. */
  readonly lease: number;
  readonly clock: Clock;
  /** True while this process is subscribed to the channel, and so wants to hear who is gone. */
  isHeard(channel: string): boolean;
  events(): Pick<DriverEvents, 'expired' | 'returned'> | undefined;
}

/** Who is present, over all processes. */
export interface RedisPresence extends Pick<RealtimeDriver, 'join' | 'leave' | 'members'> {
  /** There was trouble with Redis: others may not have been able to renew their leases either. */
  trouble(): void;
  close(): Promise<void>;
}

interface Here {
  readonly member: PresenceMember;
  readonly clientId: string;
}

/** Channels of one go in a round. */
const BATCH = 100;
/** Keys live on for this many leases without a sign of life, so that nothing stays when every process dies. */
const KEEP = 10;
/** A renewal that failed is tried again after this many milliseconds at most. */
const RETRY = 1000;

const log = logger.child({ module: 'realtime' });

/**
 * Makes {@link RedisPresence}. A process holds a lease on each channel it has members in, and renews it three times
 * in its length. Whoever finds a lease that is over takes the process's members away, if it was itself in touch with
 * Redis for the length of a lease: until then the process may live, and have been kept from renewing.
 */
export function redisPresence(options: RedisPresenceOptions): RedisPresence {
  const { link, names, process: self, lease, clock } = options;
  const beat = lease / 3;
  const joined = new Map<string, Map<string, Here>>();
  const watched = new Set<string>();
  let touchedAt = Number.NEGATIVE_INFINITY;
  let inTouchSince = Number.POSITIVE_INFINITY;
  let failing = false;
  let stop: (() => void) | undefined;
  let closed = false;

  /** A gap without trouble counts as well: this process had nothing to do, or was stopped, or its machine slept. */
  const touch = (): void => {
    const now = clock.now();
    if (now - touchedAt > 2 * beat) inTouchSince = now;
    touchedAt = now;
  };
  const trouble = (): void => {
    touchedAt = Number.NEGATIVE_INFINITY;
    inTouchSince = Number.POSITIVE_INFINITY;
  };
  const mayJudge = (): boolean => clock.now() - inTouchSince >= lease;

  const evaluate = async <A>(
    script: Script<A>,
    channel: string,
    owner: string,
    ...args: (string | number)[]
  ): Promise<A> => {
    const keys = names.presence(channel, owner);
    const answer = await link.run((client) =>
      client.call('EVAL', script.text, 3, ...keys, owner, lease, lease * KEEP, ...args),
    );
    touch();
    return answer as A;
  };

  const put = (channel: string, entry: string, { member: { id, info = '' } }: Here): Promise<number> =>
    evaluate(JOIN, channel, self, entry, id, info);

  const list = async (channel: string): Promise<{ expired: string[]; members: PresenceMember[] }> => {
    const [expired, found] = await evaluate(LIST, channel, self);
    return { expired: expired.filter((owner) => owner !== self), members: toMembers(found) };
  };
  const reap = async (channel: string, owners: readonly string[]): Promise<void> => {
    for (const owner of owners)
      for (const member of await evaluate(REAP, channel, owner, 0))
        options.events()?.expired(channel, member);
  };

  /** Makes what Redis has of this process what it should have: it may have been taken for dead, or a call have failed. */
  const repair = async (channel: string, here: ReadonlyMap<string, Here>): Promise<void> => {
    const [, , mine] = names.presence(channel, self);
    const found = new Set(
      (await link.run((client: RedisClient) => client.call('SMEMBERS', mine))) as string[],
    );
    const missing = [...here].filter(([entry]) => !found.has(entry));
    const surplus = [...found].filter((entry) => !here.has(entry));
    await Promise.all([
      ...missing.map(async ([entry, one]) => {
        if ((await put(channel, entry, one)) === 1) options.events()?.returned(channel, one.member);
      }),
      ...surplus.map(async (entry) => {
        const member = memberOf(entry);
        if ((await evaluate(LEAVE, channel, self, entry, member)) === 1)
          options.events()?.expired(channel, member);
      }),
    ]);
    if (here.size === 0 && joined.get(channel) === here) joined.delete(channel);
  };

  const visit = async (channel: string): Promise<void> => {
    const here = joined.get(channel);
    if (here && (here.size === 0 || (await evaluate(HEARTBEAT, channel, self, here.size)) === 0))
      await repair(channel, here);
    const { expired } = await list(channel);
    if (expired.length === 0 && !options.isHeard(channel)) watched.delete(channel);
    if (mayJudge()) await reap(channel, expired);
  };

  const round = async (): Promise<void> => {
    const channels = [...new Set([...joined.keys(), ...watched])];
    for (let start = 0; start < channels.length && !closed; start += BATCH) {
      const results = await Promise.allSettled(channels.slice(start, start + BATCH).map(visit));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed && !failing)
        log.warn({ err: failed.reason }, 'presence could not be renewed and is tried again');
      failing = failed !== undefined;
      if (failing) break;
    }
  };
  const schedule = (): void => {
    if (closed || stop) return;
    stop = clock.after(failing ? Math.min(beat, RETRY) : beat, () => {
      void round().finally(() => {
        stop = undefined;
        if (joined.size + watched.size > 0) schedule();
      });
    });
  };

  return {
    async join(channel, member, clientId) {
      const entry = entryOf(member.id, clientId);
      const here = joined.get(channel) ?? new Map<string, Here>();
      joined.set(channel, here);
      const one = { member, clientId };
      here.set(entry, one);
      schedule();
      try {
        return (await put(channel, entry, one)) === 1;
      } catch (thrown) {
        // Whether it was done is not known; the next round takes it away if so.
        if (here.get(entry) === one) here.delete(entry);
        throw thrown;
      }
    },
    async leave(channel, member, clientId) {
      const entry = entryOf(member, clientId);
      const here = joined.get(channel);
      if (!here?.delete(entry)) return false;
      const last = (await evaluate(LEAVE, channel, self, entry, member)) === 1;
      if (here.size === 0 && joined.get(channel) === here) joined.delete(channel);
      return last;
    },
    async members(channel) {
      const { expired, members } = await list(channel);
      if (expired.length > 0 || options.isHeard(channel)) {
        watched.add(channel);
        schedule();
      }
      if (expired.length === 0 || !mayJudge()) return members;
      await reap(channel, expired);
      return (await list(channel)).members;
    },
    trouble,
    async close() {
      closed = true;
      stop?.();
      const channels = [...joined.keys()];
      joined.clear();
      await Promise.allSettled(channels.map((channel) => evaluate(REAP, channel, self, 1)));
    },
  };
}

const entryOf = (member: string, clientId: string): string =>
  `${Buffer.byteLength(member)}:${member}${clientId}`;

function memberOf(entry: string): string {
  const colon = entry.indexOf(':');
  const bytes = Number(entry.slice(0, colon));
  return Buffer.from(entry.slice(colon + 1))
    .subarray(0, bytes)
    .toString();
}

/** In the order in which they came. */
function toMembers(found: readonly string[]): PresenceMember[] {
  const members: { since: number; member: PresenceMember }[] = [];
  for (let i = 0; i + 1 < found.length; i += 2) {
    const [, since = '0', info = ''] = /^\d+ (\d+) (.*)$/s.exec(found[i + 1] ?? '') ?? [];
    const id = found[i] ?? '';
    members.push({ since: Number(since), member: info === '' ? { id } : { id, info } });
  }
  return members.sort((a, b) => a.since - b.since).map(({ member }) => member);
}
