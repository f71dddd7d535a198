/** Where one queue is kept. The hash tag puts all of it on one node of a cluster. */
export interface QueueKeys {
  readonly queue: string;
  /** What BullMQ is given as its prefix. */
  readonly prefix: string;
  /** The key of a part of the queue, such as `wait`, or of the job with that id. */
  key(part: string): string;
}

/** The keys of a queue, for a prefix such as `infra`. */
export function keysOf(base: string, queue: string): QueueKeys {
  const prefix = `{${base}-${queue}}`;
  return { queue, prefix, key: (part) => `${prefix}:${queue}:${part}` };
}

/** What the script UNMARK is given of a queue, but for the ids. */
export const unmarkArguments = ({ key }: QueueKeys): [number, ...string[]] => [
  3,
  ...['infra:cancelled', 'completed', 'failed', ''].map(key),
];

/** The set of the queues that hold or have held a job. */
export const registryKey = (base: string): string => `${base}:queues`;
