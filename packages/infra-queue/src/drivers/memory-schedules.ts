import type { Clock } from '@vibeonrails/infra-core';
import type { NewJob, Schedule, ScheduleRecord } from '../driver.ts';
import { nextTick, tickJob } from '../schedule.ts';

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
  readonly schedule: Schedule;
  next: number;
  cancel: () => void;
}

/** Makes {@link MemorySchedules}. `add` stores the job of a tick. */
export function memorySchedules(clock: Clock, add: (job: NewJob, tick: number) => void): MemorySchedules {
  const entries = new Map<string, Entry>();

  const fire = (entry: Entry): void => {
    const { schedule, next: tick } = entry;
    arm(entry, Math.max(tick, clock.now()));
    add(tickJob(schedule, tick), tick);
  };
  const arm = (entry: Entry, after: number): void => {
    const next = nextTick(entry.schedule, after);
    entry.next = next ?? Number.POSITIVE_INFINITY;
    entry.cancel = next === undefined ? () => undefined : clock.after(next - clock.now(), () => fire(entry));
  };

  return {
    set(schedule) {
      const former = entries.get(schedule.name);
      if (former && JSON.stringify(former.schedule) === JSON.stringify(schedule)) return;
      former?.cancel();
      const entry: Entry = { schedule, next: 0, cancel: () => undefined };
      entries.set(schedule.name, entry);
      arm(entry, clock.now());
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
