import { messageOf } from '@vibeonrails/infra-core';
import { Cron as Pattern } from 'croner';
import type { Cron } from './cron.ts';
import type { NewJob, Schedule } from './driver.ts';
import { DefinitionError } from './errors.ts';

/** When a schedule fires: a cron expression of five fields, or six with seconds first, or `@daily` and its like. */
export interface Timing {
  readonly pattern: string;
  /** An IANA time zone. */
  readonly timezone: string;
}

const parsed = new Map<string, Pattern>();

function parse({ pattern, timezone }: Timing): Pattern {
  const key = `${timezone} ${pattern}`;
  const found = parsed.get(key) ?? new Pattern(pattern, { timezone, mode: '5-or-6-parts', paused: true });
  parsed.set(key, found);
  return found;
}

/**
 * The first tick after a time, in milliseconds since the epoch; `undefined` when there is none. A wall-clock time that
 * the change to summer time leaves out fires once, right after the gap; one that comes twice in autumn fires once, the first time.
 */
export function nextTick(timing: Timing, after: number): number | undefined {
  return parse(timing).nextRun(new Date(after))?.getTime();
}

/** {@link nextTick} for a cron as it is defined. @throws {@link DefinitionError} `E_QUEUE_CRON` when it never fires. */
export function firstTick({ name, schedule: pattern, timezone }: Cron, after: number): number {
  let problem = 'never fires';
  try {
    const next = nextTick({ pattern, timezone }, after);
    if (next !== undefined) return next;
  } catch (thrown) {
    problem = `is no cron expression: ${messageOf(thrown).replace(/^CronPattern: |\.$/g, '')}`;
  }
  throw new DefinitionError('cron', name, [`\`schedule\` ${JSON.stringify(pattern)} ${problem}`]);
}

/** The job of a tick. Its id is one for the schedule and the tick, so that no tick makes two. */
export function tickJob({ name, queue, overlap, attempts }: Schedule, tick: number): NewJob {
  const part = name.replaceAll(/[^A-Za-z0-9.-]/gu, (char) => `_${char.codePointAt(0)?.toString(16)}_`);
  return {
    ...{ id: `tick.${part}.${tick}`, name, queue, payload: 'null', meta: {}, attempts },
    ...{ priority: 'normal', delay: 0 },
    // Held until the job has ended: a tick that comes before makes none.
    ...(overlap === 'skip' ? { unique: { key: `tick:${name}`, replace: false } } : {}),
  };
}
