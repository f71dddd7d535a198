import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: ['packages/*', 'tooling/bench', 'tooling/chaos', 'tooling/services', 'tooling/vitest'],
    // Names, at the end of a run, the servers for want of which tests were skipped.
    globalSetup: './tooling/services/src/global-setup.ts',
  },
});
