import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describeWith } from '@vibeonrails/services/vitest';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineCron, defineJob } from '../src/index.ts';
import { VERSION } from '../src/module.ts';
import { cli, failing, openOn } from './command-line.ts';

const poll = { timeout: 20_000, interval: 20 };

test.each([[['--help']], [['-h']], [[]], [['work', '--help']]])('%j shows what there is', async (args) => {
  const { code, out } = await cli(args);
  expect(code).toBe(0);
  for (const command of ['work', 'list', 'stats', 'retry', 'pause', 'resume', 'dead', 'crons', 'remove-cron'])
    expect(out).toContain(`infra-queue ${command} `);
});

test('--version shows the version', async () => {
  expect(await cli(['--version'])).toEqual({ code: 0, out: VERSION, err: '' });
});

test.each([
  [['nothing'], 'There is no command called "nothing"'],
  [['toString'], 'There is no command called "toString"'],
  [['stats', '--colour'], "Unknown option '--colour'"],
  [['stats', 'default'], 'infra-queue stats takes no names'],
  [['cancel'], 'takes at least one id'],
  [['work'], 'needs a module'],
  [['remove-cron'], 'takes at least one name'],
  [['stats'], 'set REDIS_URL or QUEUE_REDIS_URL'],
  [['stats', '--limit', '2'], 'infra-queue stats does not take --limit. It takes --queue, --json.'],
  [['list', '--all'], 'infra-queue list does not take --all. It takes --state, --queue, --job, --limit'],
  [
    ['dead', '--state', 'waiting'],
    'infra-queue dead does not take --state. It takes --queue, --job, --since',
  ],
  [['crons', '--limit', '2', '--payload'], 'infra-queue crons does not take --limit, --payload. It takes'],
  [['retry', 'a', '--limit', '2'], 'infra-queue retry does not take --limit'],
  [['discard', '--no-crons', '--all'], 'infra-queue discard does not take --no-crons'],
  [['cancel', 'a', '--queue', 'default'], 'infra-queue cancel does not take --queue. It takes --json.'],
  [['pause', '--queue', 'default'], 'infra-queue pause does not take --queue'],
  [['work', 'tests/fixtures/none.ts', '--queue', 'a'], 'infra-queue work does not take --queue. It takes'],
])('%j is refused in words, with exit code 2', async (args, words) => {
  const { code, out, err } = await cli(args);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toMatch(/^infra-queue: /);
  expect(err).toContain(words);
});

test('work says which module is not there, and which defines nothing', async () => {
  const missing = await cli(['work', 'tests/fixtures/none.ts']);
  expect(missing).toMatchObject({
    code: 1,
    err: expect.stringContaining('tests/fixtures/none.ts does not exist'),
  });
  const empty = await cli(['work', 'tests/fixtures/nothing.mjs']);
  expect(empty).toMatchObject({ code: 1, err: expect.stringContaining('defines no job and no cron') });
});

describeWith('redis', 'the command line on Redis', (redis) => {
  const open = () => openOn(redis().url);

  test('shows figures and dead jobs, and lets them run again or forgets them', {
    timeout: 60_000,
  }, async () => {
    const { options, mine } = open();
    const job = failing();
    for (const id of ['a', 'b', 'c']) await mine.enqueue(job, { card: id }, { id });
    await mine.enqueue(job, { card: 'later' }, { id: 'd', delay: '1h' });
    const worker = await mine.startWorker();
    await expect.poll(async () => (await mine.stats()).dead, poll).toBe(3);
    await worker.stop();

    const stats = await cli(['stats'], options);
    expect(stats.out).toMatch(/^queue +waiting +delayed +active +completed +dead +oldest +per minute/);
    expect(stats.out).toMatch(/default +0 +1 +0 +0 +3 /);
    expect(JSON.parse((await cli(['stats', '--json'], options)).out)).toMatchObject({ dead: 3, delayed: 1 });

    const dead = await cli(['dead'], options);
    expect(dead.out).toMatch(/b +pay +default +dead +1 .* no b/);
    expect(dead.out).not.toContain('{"card"');
    expect((await cli(['dead', '--payload', '--limit', '1'], options)).out).toContain('{"card":"c"}');
    const delayed = JSON.parse((await cli(['list', '--state', 'delayed', '--json'], options)).out);
    expect(delayed).toMatchObject([{ id: 'd', state: 'delayed' }]);

    for (const command of ['retry', 'discard'])
      expect(await cli([command], options)).toMatchObject({
        code: 2,
        err: expect.stringContaining(
          `infra-queue ${command} needs ids, or --queue, --job and --since for some dead jobs, or --all for every one.`,
        ),
      });
    expect(await cli(['retry', 'a', '--all'], options)).toMatchObject({
      code: 2,
      err: expect.stringContaining('not both'),
    });
    expect(await cli(['retry', 'a'], options)).toEqual({ code: 0, out: '1 job will run again', err: '' });
    expect((await cli(['discard', '--job', 'pay', '--since', '1h'], options)).out).toBe('2 jobs forgotten');
    expect((await cli(['cancel', 'a', 'd', 'z'], options)).out).toMatch(/a +removed\nd +removed\nz +unknown/);
    expect((await cli(['list'], options)).out).toBe('no jobs');
    for (const args of [
      ['list', '--state', 'gone'],
      ['list', '--limit', '0'],
      ['retry', '--since', 'x'],
    ])
      expect(await cli(args, options)).toMatchObject({ code: 2 });
  });

  test('pauses and resumes queues, and lists crons', { timeout: 60_000 }, async () => {
    const { options, mine } = open();
    await mine.enqueue(failing(), { card: 'x' });
    defineCron({ name: 'nightly', schedule: '0 0 * * *', handler: () => undefined });
    expect((await cli(['pause', 'default'], options)).out).toBe('paused: default');
    expect((await mine.stats()).queues.default?.paused).toBe(true);
    expect((await cli(['stats'], options)).out).toContain('paused');
    expect((await cli(['resume'], options)).out).toBe('resumed: every queue');
    expect((await mine.stats()).queues.default?.paused).toBe(false);
    expect((await cli(['crons'], options)).out).toMatch(/nightly +0 0 \* \* \* +UTC/);
  });

  test('a server that is away is said in a line, with exit code 1', { timeout: 60_000 }, async () => {
    const { code, err } = await cli(['stats'], { redis: { url: 'redis://127.0.0.1:1' }, timeout: 500 });
    expect(code).toBe(1);
    expect(err).toMatch(/^infra-queue: Cannot connect to Redis at redis:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/);
    expect(err).not.toMatch(/enqueue again| {4}at /);
  });

  test('work runs the jobs of a module until it is told to end', { timeout: 90_000 }, async () => {
    const { options, mine } = open();
    const job = defineJob({
      name: 'greet',
      schema: z.object({ name: z.string() }),
      handler: () => undefined,
    });
    await mine.enqueue(job, { name: 'Ada' });
    const code = `import { main } from './src/cli.ts';
      process.exitCode = await main(['work', 'tests/fixtures/jobs.ts', '--queues', 'default=2', '--json']);`;
    const flags = ['--import', 'tsx', '--conditions', '@vibeonrails/infra-source', '--input-type=module'];
    const child = spawn(process.execPath, [...flags, '--eval', code], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      env: { ...process.env, QUEUE_REDIS_URL: redis().url, QUEUE_PREFIX: options.prefix, LOG_LEVEL: 'error' },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    try {
      await expect.poll(() => output, poll).toContain('hello Ada');
      expect(output).toContain('{"worker":"started","jobs":["greet"],"crons":["nightly"]}');
      child.kill('SIGTERM');
      const [exit] = await once(child, 'close');
      expect(exit).toBe(0);
      expect((await mine.crons()).map(({ name, scheduled }) => [name, scheduled])).toEqual([
        ['nightly', true],
      ]);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
