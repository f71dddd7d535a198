import { type Clock, isInfraError, logger, messageOf } from '@vibeonrails/infra-core';
import { mastersOf } from '@vibeonrails/infra-redis';
import { CacheClosedError, CacheUnavailableError } from '../errors.ts';
import { line } from './line.ts';
import type { RedisLink } from './link.ts';

/** What a listener needs, and whom it tells. */
export interface ListenerOptions {
  readonly link: RedisLink;
  readonly channel: string;
  /** Milliseconds a command may take. */
  readonly timeout: number;
  /** Milliseconds a connection may take. */
  readonly connectTimeout: number;
  readonly clock: Clock;
  /** From now on no message is missed. */
  onUp(): void;
  /** Messages may be missed. */
  onDown(): void;
  onMessage(text: string): void;
}

/** A subscription that is made again whenever it is lost. */
export interface Listener {
  /** Begins. Idempotent. */
  start(): void;
  /** Begins, and resolves once it is up; rejects when that takes longer than a connection may. */
  ready(): Promise<void>;
  close(): void;
}

/** How often a silent connection is asked whether it is still there. */
const BEAT = 5000;
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2000;

const log = logger.child({ module: 'cache' });

/**
 * Makes a {@link Listener}. Each attempt takes a connection of its own to one server, in place of a client that
 * reconnects by itself: that of a cluster moves to another node without a word, and messages are missed meanwhile.
 */
export function listener(options: ListenerOptions): Listener {
  const { clock, connectTimeout } = options;
  const closing = new AbortController();
  const { signal } = closing;
  const waiting = new Set<(error?: Error) => void>();
  let started = false;
  let up = false;
  let hurry = (): void => undefined;
  let problem: unknown = new CacheUnavailableError('the subscription is not there yet.');

  const run = async (): Promise<void> => {
    let failures = 0;
    let told = false;
    const onUp = (): void => {
      up = true;
      told = false;
      failures = 0;
      options.onUp();
      for (const done of waiting) done();
    };
    for (let round = 0; !signal.aborted; round += 1) {
      try {
        await listenOnce(options, signal, round, onUp);
      } catch (thrown) {
        problem = thrown;
        // That Redis is away is for others to say; that it refuses this alone is not.
        if (!isInfraError(thrown) && !told) {
          told = true;
          log.warn(
            { reason: messageOf(thrown) },
            'Redis refuses the subscription: nothing is kept in memory',
          );
        }
      }
      if (up) options.onDown();
      up = false;
      failures += 1;
      await new Promise<void>((resolve) => {
        const cancel = clock.after(delay(failures), resolve);
        hurry = () => {
          cancel();
          resolve();
        };
        if (signal.aborted) hurry();
      });
    }
  };

  const start = (): void => {
    if (started) return;
    started = true;
    void run();
  };

  return {
    start,
    ready() {
      start();
      hurry();
      if (up) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const done = (error?: unknown): void => {
          cancel();
          waiting.delete(done);
          if (error === undefined) resolve();
          else reject(error);
        };
        const cancel = clock.after(connectTimeout, () =>
          done(isInfraError(problem) ? problem : new CacheUnavailableError(`${messageOf(problem)}.`)),
        );
        waiting.add(done);
      });
    },
    close() {
      closing.abort();
      hurry();
      for (const done of waiting) done(new CacheClosedError());
    },
  };
}

/** One subscription, from its beginning to its loss, which it throws. */
async function listenOnce(
  { link, channel, timeout, connectTimeout, clock, onMessage }: ListenerOptions,
  signal: AbortSignal,
  round: number,
  onUp: () => void,
): Promise<never> {
  const nodes = await link.run(mastersOf);
  const node = nodes[round % nodes.length];
  if (!node) throw new CacheUnavailableError('the cluster has no master.');
  const client = node.duplicate();
  const held = line(client, clock, signal);
  try {
    client.on('message', (_, text) => onMessage(String(text)));
    await held.connect(connectTimeout);
    await held.within(timeout, () => client.subscribe(channel));
    onUp();
    for (;;) {
      await held.rest(BEAT);
      await held.within(timeout, () => client.call('ping'));
    }
  } finally {
    held.drop();
  }
}

/** Longer after each failure, a random half of it, so that a fleet does not come back all at once. */
const delay = (failures: number): number =>
  Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures - 1, 10)) * (0.5 + Math.random() / 2);
