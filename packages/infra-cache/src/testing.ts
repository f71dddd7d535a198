export { cacheDriverSuite, type SuiteRunner } from './driver-suite.ts';
export { type FakeCache, fakeCache } from './fake.ts';
