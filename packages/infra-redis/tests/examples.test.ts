import { describeWith } from '@vibeonrails/services/vitest';
import { runExamples } from '@vibeonrails/vitest-config/examples';
import { beforeAll } from 'vitest';

describeWith('redis', 'the examples', (redis) => {
  // vi.stubEnv would be taken back after each test.
  beforeAll(() => {
    process.env.REDIS_URL = redis().url;
  });
  runExamples(new URL('..', import.meta.url), ['README.md', 'SKILL.md', 'examples/rate-limit.ts']);
});
