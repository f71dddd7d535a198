import type { PresenceMember, RealtimeDriver } from './driver.ts';

/** Who is in a channel, as everyone sees it. */
export interface Member {
  /** The user's id; the client's own where it has no user. */
  readonly id: string;
  /** What `authorize`, or the subscription, said of them. */
  readonly info?: unknown;
}

/** Tells a channel that somebody came or went; `except` is the client it is about. */
export type Announce = (
  channel: string,
  event: '$join' | '$leave',
  member: Member,
  except: string,
) => Promise<void>;

/** Keeps the broker's presence in step with the subscriptions of this process. */
export interface Presence {
  /** Resolves when the member counts as present. */
  enter(channel: string, member: PresenceMember, clientId: string): Promise<void>;
  /** Resolves when the member no longer counts, on this connection. */
  exit(channel: string, member: string, clientId: string): Promise<void>;
  settled(): Promise<void>;
}

/** Makes a {@link Presence}. The channel hears of a user's first connection and of the last, not of those between. */
export function createPresence(driver: RealtimeDriver, announce: Announce): Presence {
  /** One after the other per connection and channel: who leaves while joining must end up outside. */
  const work = new Map<string, Promise<void>>();
  const inTurn = (key: string, step: () => Promise<void>): Promise<void> => {
    const done = (work.get(key) ?? Promise.resolve()).catch(() => undefined).then(step);
    work.set(key, done);
    const forget = (): void => {
      if (work.get(key) === done) work.delete(key);
    };
    done.then(forget, forget);
    return done;
  };

  return {
    enter: (channel, member, clientId) =>
      inTurn(`${channel} ${clientId}`, async () => {
        if (await driver.join(channel, member, clientId))
          await announce(channel, '$join', toMember(member), clientId);
      }),
    exit: (channel, member, clientId) =>
      inTurn(`${channel} ${clientId}`, async () => {
        if (await driver.leave(channel, member, clientId))
          await announce(channel, '$leave', { id: member }, clientId);
      }),
    async settled() {
      await Promise.allSettled(work.values());
    },
  };
}

/** A member as the broker keeps it, read back. */
export function toMember({ id, info }: PresenceMember): Member {
  return info === undefined ? { id } : { id, info: JSON.parse(info) as unknown };
}
