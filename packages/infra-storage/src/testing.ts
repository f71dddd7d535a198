export { type StorageUnderTest, type SuiteRunner, storageDriverSuite } from './driver-suite.ts';
export { type FakeStorage, fakeStorage } from './fake.ts';
