export {
  type DriverUnderTest,
  emailDriverSuite,
  type SuiteRunner,
  sampleMessage,
} from './driver-suite.ts';
export { type FakeEmail, fakeEmail, type RecordedEmail } from './fake.ts';
