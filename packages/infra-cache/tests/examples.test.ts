import { describeWith } from '@vibeonrails/services/vitest';
import { runExamples } from '@vibeonrails/vitest-config/examples';
import { afterAll, beforeAll } from 'vitest';

runExamples(new URL('..', import.meta.url));

describeWith('redis', 'the same on Redis', (redis) => {
  // vi.stubEnv would be taken back after each test.
  beforeAll(() => {
    process.env.REDIS_URL = redis().url;
  });
  afterAll(() => {
    delete process.env.REDIS_URL;
  });
  runExamples(new URL('..', import.meta.url));
});
