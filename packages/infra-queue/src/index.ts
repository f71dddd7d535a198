export type { Backoff, BackoffOptions } from './backoff.ts';
export type { QueueDriverName } from './config.ts';
export {
  type CatchUp,
  type Cron,
  type CronContext,
  type CronDefinition,
  defineCron,
  type Overlap,
} from './cron.ts';
export { defineJob } from './definitions.ts';
export type {
  Added,
  CancelResult,
  Consumer,
  DriverJob,
  Failure,
  Gate,
  JobRecord,
  JobState,
  KeepPolicy,
  ListQuery,
  NewJob,
  OnConflict,
  Outcome,
  Priority,
  Process,
  QueueCounts,
  QueueDriver,
  Retention,
  Schedule,
  ScheduleRecord,
  TimeLimit,
  UniqueKey,
} from './driver.ts';
export type { QueueRedisOptions } from './drivers/bullmq/redis-options.ts';
export type {
  ChainJob,
  ChainOptions,
  ChainSteps,
  Enqueued,
  EnqueuedChain,
  EnqueueManyOptions,
  EnqueueOptions,
  EnqueueOutcome,
} from './enqueue.ts';
export {
  DefinitionError,
  DuplicateNameError,
  JobCancelledError,
  JobLostError,
  JobTimeoutError,
  LimitKeyError,
  PayloadError,
  type PayloadIssue,
  PayloadSizeError,
  QueueClosedError,
  QueueOptionError,
  QueueUnavailableError,
  RedisVersionError,
  StepResultError,
  UnrecoverableError,
  WorkerStoppingError,
} from './errors.ts';
export type { CronView, DeadFilter, Inspection, JobFilter, JobView, QueueStats } from './inspection.ts';
export type {
  ConcurrencyOptions,
  DeadContext,
  Job,
  JobContext,
  JobDefinition,
  JobOptions,
  RateLimitOptions,
  Unique,
  UniqueOptions,
} from './job.ts';
export {
  cancelJob,
  configureQueue,
  crons,
  enqueue,
  enqueueMany,
  queue,
  queueHealthCheck,
  runChain,
  startWorker,
} from './module.ts';
export { createQueue, type KeepOptions, type Queue, type QueueOptions } from './queue.ts';
export type { StopReport, Worker } from './worker.ts';
export type { WorkerOptions } from './worker-options.ts';
