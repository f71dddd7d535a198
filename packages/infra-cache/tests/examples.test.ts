import { describeWith } from '@vibeonrails/services/vitest';
import { runExamples } from '@vibeonrails/vitest-config/examples';
import { afterAll, beforeAll } from 'vitest';

const folder = new URL('..', import.meta.url);
const files = ['README.md', 'SKILL.md', 'examples/product-page.ts'];
runExamples(folder, files);

describeWith('redis', 'the same on Redis', (redis) => {
  // vi.stubEnv would be taken back after each test.
  beforeAll(() => {
    process.env.REDIS_URL = redis().url;
  });
  afterAll(() => {
    delete process.env.REDIS_URL;
  });
  runExamples(folder, files);
});
