import { forgetInstances } from './module.ts';
import { clearSlot } from './slots.ts';
import type { Clock } from './time.ts';
import { type Duration, toMs } from './time.ts';

/** A clock that stands still until it is told to move. */
export interface FakeClock extends Clock {
  /** Moves time on, firing each timer on its way in order and letting what it starts settle. */
  advance(by: Duration): Promise<void>;
  /** Timers that wait. */
  pending(): number;
}

/** A {@link FakeClock} that starts at `start`. @default 2026-01-01T00:00:00Z */
export function fakeClock(start: Date | number = Date.UTC(2026, 0, 1)): FakeClock {
  let now = Number(start);
  const timers = new Set<{ readonly at: number; readonly fn: () => void }>();
  return {
    now: () => now,
    after(ms, fn) {
      const timer = { at: now + ms, fn };
      timers.add(timer);
      return () => {
        timers.delete(timer);
      };
    },
    async advance(by) {
      const end = now + toMs(by);
      await settle();
      for (;;) {
        const next = [...timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.fn();
        await settle();
      }
      now = end;
      await settle();
    },
    pending: () => timers.size,
  };
}

/** Lets promises and immediates that are due run, a few rounds deep. */
async function settle(): Promise<void> {
  for (let round = 0; round < 5; round += 1) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * Forgets what the packages share in this process between tests: default instances, shutdown hooks, the state of
 * the lifecycle and which warnings were given. It closes nothing.
 */
export function resetInfra(): void {
  clearSlot('lifecycle');
  clearSlot('driver-warnings');
  forgetInstances();
}
