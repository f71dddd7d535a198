import { defineProject } from 'vitest/config';

const conditions = ['@vibeonrails/infra-source'];

/** The vitest project of one package: tests run on src/, so no build comes first. */
export const project = (options = {}) =>
  defineProject({
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: {
      include: ['tests/**/*.test.ts'],
      restoreMocks: true,
      unstubEnvs: true,
      testTimeout: 20_000,
      hookTimeout: 60_000,
      ...options,
    },
  });
