import { runExamples } from '@vibeonrails/vitest-config/examples';

runExamples(new URL('..', import.meta.url), ['README.md', 'SKILL.md', 'examples/orders.ts']);
