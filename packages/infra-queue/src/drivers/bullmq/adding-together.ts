import type { RedisClient } from '@vibeonrails/infra-redis';
import type { RedisQueueBackend } from 'bullmq';
import type { Added, NewJob } from '../../driver.ts';
import { addAlone, addJobs, type BackendClient, isAlone } from './adding.ts';
import { shareWrite } from './one-write.ts';
import type { Store } from './store.ts';

const MOST_AT_ONCE = 500;

/** Jobs of one queue that share a transaction, and what came of them. */
interface Batch {
  readonly jobs: NewJob[];
  readonly added: Promise<readonly Added[]>;
}

/** What a job is sent by. */
interface Way {
  readonly backend: RedisQueueBackend;
  readonly client: BackendClient;
  readonly redis: RedisClient;
}

/** Jobs of one queue and one turn whose commands are on their way. */
interface InFlight {
  readonly way: Way;
  /** Resolves for each job when its command has been answered. */
  readonly answers: Promise<void>[];
  /** By the place of the job. */
  readonly added: Added[];
  /** What the first refused command was told. */
  refused?: { readonly thrown: unknown };
  /** Resolves when all are answered or the time is over, with why the rest was not added. */
  readonly over: Promise<unknown>;
}

/**
 * `addJobs` for calls of one job each. What can be sent at once is, so that Redis works while the next job is prepared. Other
 * jobs of one queue and one turn of the event loop share a transaction. Those of another queue do not, because in a cluster its
 * master may be the one that is gone. One deadline serves all of a turn.
 */
export function addTogether(store: Store): (jobs: readonly NewJob[]) => Promise<readonly Added[]> {
  const batches = new Map<string, Batch>();
  const inFlight = new Map<string, InFlight>();
  const ways = new WeakMap<RedisQueueBackend, Way>();

  const startBatch = (queue: string): Batch => {
    const jobs: NewJob[] = [];
    const ended = endOfTurn().then(() => {
      if (batches.get(queue)?.jobs === jobs) batches.delete(queue);
    });
    const added = store.run(async (access) => {
      await ended;
      return addJobs(store, access, jobs);
    });
    const batch = { jobs, added };
    batches.set(queue, batch);
    return batch;
  };
  const putInFlight = (queue: string, way: Way): InFlight => {
    const ended = endOfTurn().then(() => inFlight.delete(queue));
    const answered = store.run(async () => {
      await ended;
      await Promise.all(turn.answers);
      if (turn.refused) throw turn.refused.thrown;
    });
    const over = answered.catch((thrown: unknown) => thrown);
    const turn: InFlight = { way, answers: [], added: [], over };
    inFlight.set(queue, turn);
    return turn;
  };
  /** What a job of a queue can be sent by, where nothing has to be waited for. */
  const wayTo = (queue: string): Way | undefined => {
    const access = store.atHand(queue);
    const backend = access?.queue(queue).getBackend();
    if (!access || !backend) return undefined;
    const known = ways.get(backend);
    if (known) return known;
    const found = (client: BackendClient): unknown =>
      ways.set(backend, { backend, client, redis: access.client });
    // For the next one.
    backend.client.then(found, () => undefined);
    return undefined;
  };
  /** The turn whose jobs are sent at once, where this one can be. */
  const turnOf = (job: NewJob): InFlight | undefined => {
    // One that came before goes first.
    if (batches.has(job.queue) || !isAlone(job)) return undefined;
    const open = inFlight.get(job.queue);
    if (open) return open;
    const way = wayTo(job.queue);
    return way && putInFlight(job.queue, way);
  };
  const send = (job: NewJob, turn: InFlight): Promise<readonly Added[]> => {
    const { backend, client, redis } = turn.way;
    const at = turn.answers.length;
    shareWrite(redis);
    const answer = addAlone(backend, client, job, store.time.now()).then(
      (added) => {
        turn.added[at] = added;
      },
      (thrown: unknown) => {
        turn.refused ??= { thrown };
      },
    );
    turn.answers.push(answer);
    return turn.over.then((reason) => {
      const added = turn.added[at];
      if (!added) throw reason;
      return [added];
    });
  };
  const join = async (job: NewJob): Promise<readonly Added[]> => {
    const waiting = batches.get(job.queue);
    const batch = waiting && waiting.jobs.length < MOST_AT_ONCE ? waiting : startBatch(job.queue);
    const at = batch.jobs.push(job) - 1;
    return [(await batch.added)[at] as Added];
  };
  return (jobs) => {
    const [job] = jobs;
    if (!job || jobs.length > 1) return store.run((access) => addJobs(store, access, jobs));
    const turn = turnOf(job);
    return turn ? send(job, turn) : join(job);
  };
}

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
