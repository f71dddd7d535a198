import { slot } from '@vibeonrails/infra-core';
import type { Cron } from './cron.ts';
import { DuplicateNameError } from './errors.ts';
import type { Job } from './job.ts';

interface Registry {
  readonly jobs: Map<string, Job>;
  readonly crons: Map<string, Cron>;
  /** Called after each definition, so that a worker serves what is loaded after it started. */
  readonly watchers: Set<() => void>;
}

/** Every job and cron this process has defined, whichever copy of the package did. */
export const registry = (): Registry =>
  slot<Registry>('queue.registry', 1, () => ({ jobs: new Map(), crons: new Map(), watchers: new Set() }));

/** Adds a definition. @throws {@link DuplicateNameError} `E_QUEUE_DUPLICATE` when the name is taken and `replace` is not true. */
export function register<T extends Job | Cron>(kind: 'job' | 'cron', definition: T, replace = false): T {
  const { jobs, crons, watchers } = registry();
  const names: Map<string, Job | Cron> = kind === 'job' ? jobs : crons;
  if (names.has(definition.name) && !replace) throw new DuplicateNameError(kind, definition.name);
  names.set(definition.name, definition);
  for (const watcher of watchers) watcher();
  return definition;
}
