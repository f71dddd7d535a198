export { type FakeHealth, fakeHealth } from './fake.ts';
