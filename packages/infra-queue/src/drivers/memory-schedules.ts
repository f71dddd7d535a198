import type { Clock } from '@vibeonrails/infra-core';
import type { NewJob, Schedule, ScheduleRecord } from '../driver.ts';
import { dueTicks, nextTick, tickJob } from '../schedule.ts';

/** The schedules of the memory driver. */
export interface MemorySchedules {
  set(schedule: Schedule): void;
  list(): readonly ScheduleRecord[];
  delete(name: string): boolean;
  /** When the next tick comes; infinity without one. */
  next(): number;
  close(): void;
}

interface Entry {
  schedule: Schedule;
  next: number;
  cancel: () => void;
}

/** Makes {@link MemorySchedules}. `add` stores the job of a tick. */
export function memorySchedules(clock: Clock, add: (job: NewJob) => void): MemorySchedules {
  const entries = new Map<string, Entry>();

  const fire = (entry: Entry): void => {
    const { ticks, next } = dueTicks(entry.schedule, entry.next, clock.now());
    arm(entry, next);
    for (const tick of ticks) add(tickJob(entry.schedule, tick));
  };
  const arm = (entry: Entry, next: number | undefined): void => {
    const fires = next !== undefined && next < Number.MAX_SAFE_INTEGER;
    entry.next = fires ? next : Number.POSITIVE_INFINITY;
    entry.cancel = fires ? clock.after(next - clock.now(), () => fire(entry)) : () => undefined;
  };

  return {
    set(schedule) {
      const former = entries.get(schedule.name);
      const { pattern, timezone } = schedule;
      if (former?.schedule.pattern === pattern && former.schedule.timezone === timezone) {
        former.schedule = schedule;
        return;
      }
      former?.cancel();
      const entry: Entry = { schedule, next: 0, cancel: () => undefined };
      entries.set(schedule.name, entry);
      arm(entry, nextTick(schedule, clock.now()));
    },
    list: () =>
      [...entries.values()]
        .map(({ schedule, next }) => ({ ...schedule, next }))
        .sort((a, b) => a.name.localeCompare(b.name)),
    delete(name) {
      entries.get(name)?.cancel();
      return entries.delete(name);
    },
    next: () => Math.min(...[...entries.values()].map((entry) => entry.next)),
    close() {
      for (const entry of entries.values()) entry.cancel();
      entries.clear();
    },
  };
}
