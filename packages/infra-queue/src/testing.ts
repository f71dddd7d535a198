export { type DriverUnderTest, queueDriverSuite, type SuiteRunner } from './driver-suite.ts';
export {
  type EnqueuedJob,
  type FakeQueue,
  type FakeQueueOptions,
  fakeQueue,
  type PartialPayload,
} from './fake.ts';
export type { RunReport } from './fake-runs.ts';
