import type { AttemptHost } from './attempt.ts';
import { CRON_QUEUE } from './definitions.ts';
import type { DriverJob, Outcome, QueueDriver } from './driver.ts';
import { whyUnknown } from './task.ts';

/** What is asked about a job that nobody here knows. */
interface UnknownJobHost extends Pick<AttemptHost, 'clock' | 'log'> {
  readonly driver: QueueDriver;
}

/** The longest wait before a job nobody here knows is offered again. */
const UNKNOWN_JOB_MAX = 60_000;
/** The same of a cron's run: the next ones may wait for it to end. */
const UNKNOWN_TICK_MAX = 5000;
/** A run of a cron that nobody knows for so long is given up. */
const UNKNOWN_TICK_AGE = 86_400_000;

/**
 * Another process, of another version, may know it: it goes back and is offered again, less and less often. A run of a
 * cron has an end: that of its schedule, or of its day.
 */
export async function unknownJob(job: DriverJob, { driver, clock, log }: UnknownJobHost): Promise<Outcome> {
  if (job.queue === CRON_QUEUE) {
    const stored = await driver.schedules().catch(() => undefined);
    const removed = stored && !stored.some(({ name }) => name === job.name);
    if (removed || clock.now() - job.addedAt > UNKNOWN_TICK_AGE) {
      const reason = removed ? 'its cron was removed' : 'no worker has known its cron for a day';
      log.warn({ job: job.name, job_id: job.id, queue: job.queue }, `the run is given up: ${reason}`);
      return { type: 'discarded', reason };
    }
  }
  const delay = unknownDelay(job);
  // No word before the process next door, which may know it, was asked a few times: every deploy has such a while.
  log[delay < 500 ? 'debug' : 'warn'](
    { job: job.name, job_id: job.id, queue: job.queue, delay },
    `${whyUnknown(job)}: the job goes back to its queue`,
  );
  return { type: 'released', delay, elsewhere: true };
}

/** How long a job that nobody here knows waits until it is offered again. */
function unknownDelay({ queue, starts }: DriverJob): number {
  if (queue !== CRON_QUEUE) return Math.min(1000 * 2 ** (starts - 1), UNKNOWN_JOB_MAX);
  // A run's time is now. Who knows it may just have been busy with runs of the same second: it is asked again right away.
  return starts % 2 === 0 ? 50 : Math.min(100 * 2 ** ((starts - 1) / 2), UNKNOWN_TICK_MAX);
}
