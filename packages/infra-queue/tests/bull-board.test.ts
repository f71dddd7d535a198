import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { AppQueue } from '@bull-board/api/typings/app';
import { describeWith } from '@vibeonrails/services/vitest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineCron, defineJob, type Queue } from '../src/index.ts';
import { bench } from './bench.ts';

const poll = { timeout: 20_000, interval: 50 };
const folder = new URL('..', import.meta.url);

/** The recipe of the README, to the letter. */
function recipe(): string {
  const text = readFileSync(new URL('README.md', folder), 'utf8');
  const blocks = [...text.matchAll(/^```text\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code);
  const found = blocks.filter((code) => code.includes('createBullBoard'));
  if (found.length !== 1)
    throw new Error(`The README has ${found.length} \`\`\`text blocks of Bull Board, not 1`);
  return found[0] as string;
}

/** An application with the board, in a process of its own: the recipe never closes its connections. */
async function startBoard(url: string): Promise<{ child: ChildProcess; api: string }> {
  const code = `import Fastify from 'fastify';
    const app = Fastify();
    ${recipe()}
    console.log('at ' + (await app.listen({ port: 0, host: '127.0.0.1' })) + '/jobs/api');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: fileURLToPath(folder),
    env: { ...process.env, REDIS_URL: url },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  while (!/^at \S+$/m.test(output)) {
    if (child.exitCode !== null) throw new Error(`The recipe ended with ${child.exitCode}:\n${output}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { child, api: /^at (\S+)$/m.exec(output)?.[1] ?? '' };
}

// The recipe names the prefix that is there by default, so the server is its own.
describeWith('redis', 'Bull Board as the README sets it up', { own: true }, (redis) => {
  let board: Awaited<ReturnType<typeof startBoard>>;
  let queue: Queue;
  beforeAll(async () => {
    board = await startBoard(redis().url);
  }, 60_000);
  afterAll(() => {
    board?.child.kill('SIGKILL');
  });

  const shown = async (name: string, status: string): Promise<AppQueue> => {
    const answer = await fetch(
      `${board.api}/queues?activeQueue=${name}&status=${status}&page=1&jobsPerPage=20`,
    );
    expect(answer.status).toBe(200);
    const { queues } = (await answer.json()) as { queues: AppQueue[] };
    return queues.find((each) => each.name === name) as AppQueue;
  };

  test('shows how many jobs are where, their payloads and failures, and the runs of crons', {
    timeout: 60_000,
  }, async () => {
    queue = bench({ redis: { url: redis().url }, prefix: 'infra' }).queue;
    const pay = defineJob({
      name: 'pay',
      schema: z.object({ card: z.string() }),
      handler: ({ card }) => {
        if (card === 'bad') throw new Error('the card is refused');
      },
      options: { retries: 0 },
    });
    defineCron({ name: 'tick', schedule: '* * * * * *', handler: () => undefined });
    await queue.enqueue(pay, { card: 'good' }, { id: 'paid' });
    await queue.enqueue(pay, { card: 'bad' }, { id: 'refused' });
    await queue.enqueue(pay, { card: 'later' }, { id: 'later', delay: '1h' });
    const worker = await queue.startWorker();
    await expect.poll(async () => (await queue.stats()).queues.cron?.completed, poll).toBeGreaterThan(0);
    await expect.poll(async () => (await queue.stats()).dead, poll).toBe(1);
    await worker.stop();

    const dead = await shown('default', 'failed');
    expect(dead.counts).toMatchObject({ completed: 1, failed: 1, delayed: 1, active: 0 });
    expect(dead.jobs).toMatchObject([
      { id: 'refused', name: 'pay', data: { card: 'bad' }, failedReason: 'the card is refused' },
    ]);
    expect((await shown('default', 'completed')).jobs).toMatchObject([
      { id: 'paid', data: { card: 'good' } },
    ]);
    expect((await shown('default', 'delayed')).jobs).toMatchObject([
      { id: 'later', data: { card: 'later' } },
    ]);
    const runs = await shown('cron', 'completed');
    expect(runs.counts.completed).toBe((await queue.stats()).queues.cron?.completed);
    expect(runs.jobs[0]).toMatchObject({ name: 'tick' });
  });

  test('retries nothing: that would keep the attempts which are used up', { timeout: 30_000 }, async () => {
    expect((await shown('default', 'failed')).readOnlyMode).toBe(true);
    const answer = await fetch(`${board.api}/queues/default/refused/retry`, { method: 'PUT' });
    expect(answer.status).toBe(405);
    expect((await shown('default', 'failed')).counts.failed).toBe(1);
  });
});
