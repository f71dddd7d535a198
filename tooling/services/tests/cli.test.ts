import { expect, test } from 'vitest';
import { parseRedisUrl, redisCommand } from '../src/resp.ts';
import { describeWith } from '../src/vitest.ts';
import { run } from './child.ts';

describeWith('redis', 'the command line', { own: true }, () => {
  test('starts a Redis, prints its address, and ends it on Ctrl-C', async () => {
    const child = run('src/cli.ts', ['redis', '--password', 'secret']);
    const line = await child.line();
    expect(line).toMatch(/^TEST_REDIS_URL=redis:\/\/:secret@127\.0\.0\.1:\d+$/);
    const address = parseRedisUrl(line?.replace('TEST_REDIS_URL=', '') ?? '');
    expect(await redisCommand(address, 'PING')).toBe('PONG');
    child.process.kill('SIGINT');
    expect((await child.ended).code).toBe(0);
    await expect(redisCommand(address, 'PING')).rejects.toThrow('ECONNREFUSED');
  });
});

test('help goes to stdout, and a name it does not know is an error with the help', async () => {
  expect(await run('src/cli.ts', ['--help']).ended).toMatchObject({ code: 0 });
  const { code, output } = await run('src/cli.ts', ['mysql']).ended;
  expect(code).toBe(2);
  expect(output).toContain('redis|redis-cluster|redis-sentinel|s3|chromium|prometheus');
});

test('a browser named in the environment is printed', async () => {
  const child = run('src/cli.ts', ['chromium'], { CHROMIUM_PATH: process.execPath });
  expect(await child.ended).toEqual({ code: 0, output: `CHROMIUM_PATH=${process.execPath}\n` });
});
