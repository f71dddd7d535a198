import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: ['packages/*', 'tooling/{bench,build,chaos,release,services,smoke,test,vitest}'],
    // Most of the time goes into waiting for servers, so that two files run at once even on two cores.
    maxWorkers: 2,
    // Names, at the end of a run, the servers for want of which tests were skipped.
    globalSetup: './tooling/services/src/global-setup.ts',
  },
});
