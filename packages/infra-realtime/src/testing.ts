export { realtimeDriverSuite, type SuiteRunner } from './driver-suite.ts';
export { realtimeEngineSuite } from './engine-suite.ts';
export { type FakeClient, type FakeMessage, type FakeRealtime, fakeRealtime } from './fake.ts';
