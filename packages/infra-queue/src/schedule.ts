import { messageOf } from '@vibeonrails/infra-core';
import { Cron as Pattern } from 'croner';
import type { NewJob, Schedule } from './driver.ts';

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

/** What is wrong with a timing, in words. */
export function timingProblems({ pattern, timezone }: Timing): string[] {
  const zone = timezoneProblem(timezone);
  const form = patternProblem(pattern);
  return [...(form ? [form] : []), ...(zone ? [zone] : [])];
}

function patternProblem(pattern: unknown): string | undefined {
  const shown = `\`schedule\` ${JSON.stringify(pattern) ?? String(pattern)}`;
  // A date is a schedule for the library underneath: one that would never fire again.
  if (typeof pattern !== 'string' || !/^(@[a-z]+|\S+(\s+\S+){4,5})$/i.test(pattern.trim()))
    return `${shown} must be a cron expression of five fields, or six with seconds first, or a word such as @daily`;
  try {
    if (nextTick({ pattern, timezone: 'UTC' }, Date.now()) !== undefined) return undefined;
    return `${shown} never fires`;
  } catch (thrown) {
    return `${shown} is no cron expression: ${messageOf(thrown).replace(/^CronPattern: |\.$/g, '')}`;
  }
}

function timezoneProblem(timezone: unknown): string | undefined {
  try {
    if (typeof timezone !== 'string' || timezone === '') throw new RangeError();
    new Intl.DateTimeFormat('en', { timeZone: timezone });
    return undefined;
  } catch {
    return `\`timezone\` ${JSON.stringify(timezone)} must be an IANA time zone such as Europe/Paris`;
  }
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
