// From a request to what it caused, across five modules and a process's worth of promises: every step is the child of
// the one that caused it, by its parent's id, on embedded drivers and on Redis.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEmail } from '@vibeonrails/infra/email';
import { createLogger } from '@vibeonrails/infra/logging';
import { createMonitoring, type FinishedSpan, type Monitoring } from '@vibeonrails/infra/monitoring';
import { createQueue, defineJob } from '@vibeonrails/infra/queue';
import { createRealtime } from '@vibeonrails/infra/realtime';
import { describeWith } from '@vibeonrails/services/vitest';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
const until = (holds: () => void): Promise<void> => vi.waitFor(holds, { timeout: 30_000, interval: 20 });

interface Chain {
  readonly monitoring: Monitoring;
  /** A span of this name. */
  span(name: string): FinishedSpan;
  readonly lines: { msg: string; trace_id?: string; span_id?: string; request_id?: string }[];
}

let chains = 0;

/** Sends a request that enqueues a job that sends an e-mail and publishes a message, and waits for all of it. */
async function run(redis?: string): Promise<Chain> {
  chains += 1;
  const env = redis ? { REDIS_URL: redis } : {};
  const folder = mkdtempSync(join(tmpdir(), 'infra-chain-'));
  open.push(() => rmSync(folder, { recursive: true, force: true }));
  const monitoring = createMonitoring({ env: {} });
  const queue = createQueue({ env, prefix: `chain-${process.pid}-${chains}` });
  const email = createEmail({ env: {}, outbox: folder });
  const realtime = createRealtime({ env });
  for (const one of [monitoring, queue, email, realtime]) open.push(() => one.close());
  monitoring.instrument();
  await Promise.all([monitoring, queue, email, realtime].map((one) => one.ready()));

  const lines: Chain['lines'] = [];
  const logger = createLogger({
    level: 'info',
    env: {},
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
  });
  const greet = defineJob({
    name: `greet-${chains}`,
    schema: z.object({ to: z.string() }),
    handler: async ({ to }) => {
      logger.info('working');
      await email.send('welcome', { to, data: { name: 'Ada', appName: 'App' } });
      await realtime.publish('feed', 'greeted', { to });
    },
  });
  const worker = await queue.startWorker();
  open.push(() => worker.stop());

  const server = createServer(async (_, response) => {
    logger.info('serving');
    await queue.enqueue(greet, { to: 'ada@example.com' });
    response.end('ok');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const answer = await monitoring.withSpan('caller', () =>
    fetch(`http://127.0.0.1:${port}/greet`, { method: 'POST' }),
  );
  expect(await answer.text()).toBe('ok');

  const span = (name: string): FinishedSpan => {
    const found = monitoring.recentSpans().filter((one) => one.name === name);
    expect(found, `one span "${name}"`).toHaveLength(1);
    return found[0] as FinishedSpan;
  };
  await until(() => {
    span(`queue.process greet-${chains}`);
    expect(monitoring.recentSpans().map(({ kind }) => kind)).toContain('server');
  });
  return { monitoring, span, lines };
}

async function proves(redis?: string): Promise<Chain> {
  const chain = await run(redis);
  const { monitoring, span, lines } = chain;
  const posts = monitoring.recentSpans().filter(({ name }) => name === 'POST');
  const client = posts.find(({ kind }) => kind === 'client');
  const server = posts.find(({ kind }) => kind === 'server');
  const path = [
    span('caller'),
    client,
    server,
    span(`queue.enqueue greet-${chains}`),
    span(`queue.process greet-${chains}`),
    span('email.send welcome'),
  ];
  for (const [i, step] of path.entries())
    expect(step?.parentSpanId, `the parent of ${step?.name}`).toBe(i === 0 ? undefined : path[i - 1]?.spanId);
  const job = path[4]?.spanId;
  expect(span('email.render welcome').parentSpanId).toBe(job);
  expect(span('realtime.publish').parentSpanId).toBe(job);
  expect(new Set(path.map((step) => step?.traceId)).size).toBe(1);
  // Each line is found from the span it was written in, and all of them from the request.
  const line = (msg: string) => lines.find((one) => one.msg === msg);
  expect(line('serving')).toMatchObject({ trace_id: server?.traceId, span_id: server?.spanId });
  expect(line('working')).toMatchObject({ trace_id: server?.traceId, span_id: job });
  expect(line('working')?.request_id).toBe(line('serving')?.request_id);
  expect(line('serving')?.request_id).toMatch(/./);
  return chain;
}

describe('a request, the job it enqueues, the e-mail and the message that sends', () => {
  test('are parent and child on embedded drivers, and so are their log lines', async () => {
    await proves();
  });
});

describeWith('redis', 'the same on engines', (redis) => {
  test('are parent and child on Redis, whose commands are spans below the call that gave them', async () => {
    const { monitoring, span } = await proves(redis().url);
    const enqueue = span(`queue.enqueue greet-${chains}`);
    const commands = monitoring
      .recentSpans()
      .filter(({ attributes }) => attributes['db.system.name'] === 'redis');
    expect(commands.some(({ parentSpanId }) => parentSpanId === enqueue.spanId)).toBe(true);
    for (const { traceId } of commands) expect(traceId).toBe(enqueue.traceId);
  });
});
