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

/** A tick that is no later than this is on time, in milliseconds. */
const ON_TIME = 30_000;

/** The ticks of a schedule to make jobs for now, `next` being the first that has none, and the one to wait for then. */
export function dueTicks(schedule: Schedule, next: number, now: number): { ticks: number[]; next: number } {
  const late = latestTicks(schedule, next, now, Math.max(1, schedule.catchUp));
  const ticks = schedule.catchUp > 0 ? late : late.filter((tick) => tick >= now - ON_TIME);
  return { ticks, next: nextTick(schedule, Math.max(now, next)) ?? Number.MAX_SAFE_INTEGER };
}

/** The latest `count` ticks from one on up to now. Looks back step by step: years may have passed. */
function latestTicks(timing: Timing, from: number, now: number, count: number): number[] {
  for (let back = 60_000; ; back *= 4) {
    const start = Math.max(from - 1, now - back);
    const found: number[] = [];
    for (let tick = nextTick(timing, start); tick !== undefined && tick <= now; tick = nextTick(timing, tick))
      found.push(tick);
    if (found.length >= count || start === from - 1) return found.slice(-count);
  }
}

/** The job of a tick. Its id is one for the schedule and the tick, so that no tick makes two. */
export function tickJob({ name, queue, overlap, attempts, jitter }: Schedule, tick: number): NewJob {
  const part = name.replaceAll(/[^A-Za-z0-9.-]/gu, (char) => `_${char.codePointAt(0)?.toString(16)}_`);
  const id = `tick.${part}.${tick}`;
  return {
    ...{ id, name, queue, payload: 'null', meta: {}, attempts, tick },
    ...{ priority: 'normal', delay: Math.floor(jitter * shareOf(id)) },
    // Held until the job has ended: a tick that comes before makes none.
    ...(overlap === 'skip' ? { unique: { key: `tick:${name}`, onConflict: 'skip' } } : {}),
  };
}

/** A number from 0 to 1 that is always the same for a text and tells nothing of it: FNV-1a, mixed. */
function shareOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
