import { type Logger, messageOf } from '@vibeonrails/infra-core';

/** What a promise comes to within a time; `late` when it takes longer. Its failure counts as an end like any other. */
export async function within(work: Promise<unknown> | undefined, ms: number): Promise<'done' | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, ms, 'late');
  });
  const done = Promise.resolve(work).then(
    () => 'done' as const,
    () => 'done' as const,
  );
  return Promise.race([done, late]).finally(() => clearTimeout(timer));
}

const QUIET_FOR = 30_000;

/** Logs failures, each once in a while: a connection that is down repeats itself, and is logged elsewhere. */
export function quietly(log: Logger, queue: string): (thrown: unknown) => void {
  const told = new Map<string, number>();
  return (thrown) => {
    const message = messageOf(thrown);
    const now = Date.now();
    if ((told.get(message) ?? 0) > now - QUIET_FOR) return;
    if (told.size > 100) told.clear();
    told.set(message, now);
    log.warn({ err: thrown, queue }, 'a worker has trouble with its queue and goes on');
  };
}
