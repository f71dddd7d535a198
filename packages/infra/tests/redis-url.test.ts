import { checkConfig } from '@vibeonrails/infra-core';
import { expect, test } from 'vitest';
import '../src/cache.ts';
import '../src/queue.ts';
import '../src/realtime.ts';

const modules = '@vibeonrails/infra-cache, @vibeonrails/infra-queue, @vibeonrails/infra-realtime';
const problemsOf = (env: Record<string, string>): string[] => {
  try {
    checkConfig(env);
  } catch (error) {
    return (error as Error).message.split('\n').filter((line) => line.startsWith('  '));
  }
  return [];
};

test('a typo in REDIS_URL is one problem of all modules that would use it, without its password', () => {
  const [problem, ...others] = problemsOf({ REDIS_URL: 'redsi://user:hunter2@host:6379' });
  expect(others).toEqual([]);
  expect(problem).toContain(`REDIS_URL (${modules}) is not valid: expected redis://`);
  expect(problem).not.toContain('hunter2');
});

test('a typo in an address of its own is one of that module', () => {
  const problems = problemsOf({ REDIS_URL: 'redis://host', QUEUE_REDIS_URL: 'host:6379' });
  expect(problems).toEqual([
    expect.stringContaining('QUEUE_REDIS_URL (@vibeonrails/infra-queue) is not valid'),
  ]);
});

test('an address that every module understands is none', () => {
  expect(problemsOf({ REDIS_URL: 'rediss+sentinel://a,b:26379/mymaster' })).toEqual([]);
});
