import type { Logger } from '@vibeonrails/infra-core';
import type { Job } from 'bullmq';
import type { Outcome, Run } from '../../driver.ts';
import { JobCancelledError, JobLostError } from '../../errors.ts';

/** A job that runs in this process. */
export interface Running {
  readonly job: Job;
  readonly run: Run;
  /** Of its lock. */
  readonly token: string;
  /** True once it is no longer ours. */
  lost: boolean;
  /** True once it is known that it was cancelled. */
  cancelled: boolean;
}

/** Tells a run that its job is no longer ours. */
export function lose(entry: Running): void {
  entry.lost = true;
  entry.run.abort(new Error('the job was taken over by another worker'));
}

/** Tells a run that its job was cancelled. */
export function cancelRun(entry: Running | undefined): void {
  if (!entry) return;
  entry.cancelled = true;
  entry.run.abort(new JobCancelledError(entry.job.id ?? ''));
}

/** How often a job may lose its process while it runs, where it has fewer attempts. */
const LOSSES = 3;

/** How often a job may lose its process while it runs. */
const lossesOf = ({ opts }: Job): number => Math.max(opts.attempts ?? 0, LOSSES);

/** A job that takes its process down each time must not go round for ever: how often it has, once it is handed out to be given up. */
export function tooManyLosses(job: Job): number | undefined {
  const { stalledCounter } = job;
  return stalledCounter > 0 && stalledCounter === lossesOf(job) ? stalledCounter : undefined;
}

/** Giving it up took its process down, too. */
export function lostAgain(job: Job, queue: string, log: Logger): Outcome | undefined {
  if (job.stalledCounter <= lossesOf(job)) return undefined;
  const error = new JobLostError(job.name, job.stalledCounter);
  log.error({ err: error, job: job.name, job_id: job.id, queue }, 'the job is dead');
  return { type: 'dead', error };
}
