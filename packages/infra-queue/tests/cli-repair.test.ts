import { clearSlot } from '@vibeonrails/infra-core';
import { describeWith } from '@vibeonrails/services/vitest';
import { Redis } from 'ioredis5';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { table } from '../src/cli/table.ts';
import { defineCron, defineJob } from '../src/index.ts';
import { cli, failing, openOn } from './command-line.ts';

const poll = { timeout: 20_000, interval: 20 };

test('a schedule that fires no more has no date', () => {
  expect(table(['cron', 'next'], [['once', new Date(Number.POSITIVE_INFINITY)]])).toBe(
    'cron  next\nonce  never',
  );
});

describeWith('redis', 'setting things right from the command line', (redis) => {
  const open = () => openOn(redis().url);

  test('a queue that is not there is refused, with those there are, and none is made', {
    timeout: 60_000,
  }, async () => {
    const { options, mine } = open();
    expect(await cli(['pause', 'mail'], options)).toMatchObject({
      code: 2,
      err: expect.stringContaining('There is none yet'),
    });
    await mine.enqueue(failing(), { card: 'x' });
    const refused = { code: 2, out: '', err: expect.stringMatching(/no queue called "defualt".*default/) };
    for (const args of [
      ['pause', 'default', 'defualt'],
      ['resume', 'defualt'],
      ['stats', '--queue', 'defualt'],
      ['list', '--queue', 'defualt'],
      ['retry', '--queue', 'defualt'],
    ])
      expect(await cli(args, options)).toMatchObject(refused);
    expect((await mine.stats()).queues).toMatchObject({ default: { paused: false } });
    expect(Object.keys((await mine.stats()).queues)).toEqual(['default']);
  });

  test('stats of one queue, and dead jobs since a time', { timeout: 60_000 }, async () => {
    const { options, mine } = open();
    const job = failing();
    const mail = defineJob({ name: 'mail', schema: z.null(), handler: () => 1, options: { queue: 'mail' } });
    await mine.enqueue(mail, null, { delay: '1h' });
    for (const id of ['a', 'b']) await mine.enqueue(job, { card: id }, { id });
    const worker = await mine.startWorker();
    await expect.poll(async () => (await mine.stats()).dead, poll).toBe(2);
    await worker.stop();

    const { out } = await cli(['stats', '--queue', 'mail'], options);
    expect(out).toMatch(/^mail +0 +1 /m);
    expect(out).not.toContain('default');
    const data = JSON.parse((await cli(['stats', '--queue', 'mail', '--json'], options)).out);
    expect(data).toMatchObject({ delayed: 1, dead: 0, queues: { mail: { delayed: 1 } } });
    expect(Object.keys(data.queues)).toEqual(['mail']);

    const dead = async (...args: string[]): Promise<string[]> =>
      JSON.parse((await cli(['dead', '--json', ...args], options)).out).map(({ id }: { id: string }) => id);
    expect((await dead('--since', '1h')).sort()).toEqual(['a', 'b']);
    expect(await dead('--since', '1h', '--limit', '1')).toHaveLength(1);
    await expect.poll(() => dead('--since', '1ms'), poll).toEqual([]);
    expect(await cli(['dead', '--since', 'x'], options)).toMatchObject({ code: 2 });
  });

  test('ids that are no dead jobs are named, with exit code 1; the others run again', {
    timeout: 60_000,
  }, async () => {
    const { options, mine } = open();
    const job = failing();
    for (const id of ['a', 'b']) await mine.enqueue(job, { card: id }, { id });
    const worker = await mine.startWorker();
    await expect.poll(async () => (await mine.stats()).dead, poll).toBe(2);
    await worker.stop();
    await mine.enqueue(job, { card: 'c' }, { id: 'later', delay: '1h' });
    expect(await cli(['retry', 'nope', 'a', 'later'], options)).toMatchObject({
      code: 1,
      out: '1 job will run again',
      err: expect.stringContaining('No dead job has the id "nope", "later".'),
    });
    const json = await cli(['discard', 'b', 'nope', '--json'], options);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toEqual({ discarded: 1, unknown: ['nope'] });
    expect(await cli(['retry', '--job', 'pay'], options)).toMatchObject({ code: 0, err: '' });
  });

  test('crons that no worker runs are shown, and removed', { timeout: 60_000 }, async () => {
    const { options, mine } = open();
    for (const name of ['orphan', 'nightly'])
      defineCron({ name, schedule: '0 0 * * *', handler: () => undefined });
    const worker = await mine.startWorker();
    await expect
      .poll(async () => (await mine.crons()).map(({ scheduled }) => scheduled), poll)
      .toEqual([true, true]);
    await worker.stop();
    // As in a process of its own.
    clearSlot('queue.registry');
    const client = new Redis(redis().url);
    await client.hset(`{${options.prefix}-cron}:cron:infra:next`, 'orphan', Date.now() - 3 * 3_600_000);
    client.disconnect();

    const { out } = await cli(['crons'], options);
    expect(out).toMatch(/^nightly +0 0 \* \* \* +UTC +\S+Z$/m);
    expect(out).toMatch(/^orphan .*Z +overdue for 3h: no worker runs it$/m);
    const listed = JSON.parse((await cli(['crons', '--json'], options)).out);
    expect(listed[1]).toMatchObject({ name: 'orphan', schedule: '0 0 * * *', timezone: 'UTC' });
    expect(Math.floor(listed[1].overdue / 3_600_000)).toBe(3);
    expect(listed[0].overdue).toBe(0);

    expect(await cli(['remove-cron', 'orfan'], options)).toMatchObject({
      code: 1,
      err: expect.stringContaining('No schedule is stored for "orfan". There are: nightly, orphan.'),
    });
    expect(await cli(['remove-cron', 'orphan'], options)).toEqual({
      code: 0,
      out: 'removed: orphan',
      err: '',
    });
    expect((await mine.crons()).map(({ name }) => name)).toEqual(['nightly']);
    const json = await cli(['remove-cron', 'orphan', 'nightly', '--json'], options);
    expect(json).toMatchObject({ code: 1, err: expect.stringContaining('There is none.') });
    expect(JSON.parse(json.out)).toEqual({ removed: ['nightly'], unknown: ['orphan'] });
    expect((await cli(['crons'], options)).out).toBe('no crons');
  });
});
