// Every sample of the specification, as printed: compiled by the type check, run here, and seen to have done its work.
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configureEmail, email } from '@vibeonrails/infra/email';
import { checkHealth } from '@vibeonrails/infra/health';
import { monitoring, registry } from '@vibeonrails/infra/monitoring';
import { crons, queue, startWorker } from '@vibeonrails/infra/queue';
import { getSubscribers, publish } from '@vibeonrails/infra/realtime';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';

const printed = readFileSync(new URL('infra-skill.md', import.meta.url), 'utf8');
const samples = new URL('samples/', import.meta.url);
const queries: string[] = [];
const sent: unknown[] = [];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'infra-specification-'));
  configureEmail({ outbox: folder });
  vi.stubGlobal('z', z);
  vi.stubGlobal('db', { execute: async (query: string) => queries.push(query) });
  vi.stubGlobal('sql', (text: TemplateStringsArray) => text.join(''));
  vi.stubGlobal('ws', { send: (data: unknown) => sent.push(data), close: () => undefined });
});
afterAll(() => rm(folder, { recursive: true }));

test('the samples that run here are the ones printed, all of them', () => {
  const blocks = [...printed.matchAll(/```typescript\n([\s\S]*?)```/g)].map((match) => match[1]);
  const files = readdirSync(samples).map((name) => readFileSync(new URL(name, samples), 'utf8'));
  expect(files.sort()).toEqual(blocks.sort());
});

test('adding a health check', async () => {
  await import('./samples/health.ts');
  const report = await checkHealth();
  expect(report.checks).toMatchObject([{ name: 'database', status: 'ok' }]);
  expect(queries).toEqual(['SELECT 1']);
});

test('defining a background job', async () => {
  await import('./samples/job.ts');
  expect(await queue.stats()).toMatchObject({ waiting: 1 });
  const worker = await startWorker();
  await vi.waitFor(async () => expect(await queue.stats()).toMatchObject({ waiting: 0, completed: 1 }));
  await worker.stop();
});

test('sending e-mails', async () => {
  await import('./samples/email.ts');
  const [entry] = (await email.outbox?.list()) ?? [];
  expect(entry?.to).toEqual([{ email: 'user@example.com' }]);
  expect(entry?.subject).toContain('MyApp');
  const { text } = (await email.outbox?.read(entry?.id ?? '')) ?? {};
  expect(text).toContain('John');
});

test('scheduling cron jobs', async () => {
  await import('./samples/cron.ts');
  const [cron] = (await crons()).filter(({ name }) => name === 'cleanup-sessions');
  expect(new Date(cron?.next ?? 0).toISOString()).toMatch(/T00:00:00\.000Z$/);
});

test('WebSocket channels', async () => {
  await import('./samples/channels.ts');
  expect(getSubscribers('chat-room')).toEqual(['user-1']);
  await publish('chat-room', 'message', { text: 'hello' });
  expect(sent).toHaveLength(1);
  expect(String(sent[0])).toContain('hello');
});

test('metrics collection', async () => {
  await import('./samples/metrics.ts');
  const scrape = await registry.render();
  expect(scrape).toContain('http_requests_total{method="GET",path="/api"} 1');
  expect(scrape).toContain('active_connections 42');
  expect(scrape).toContain('response_time_ms_sum 150');
});

test('request tracing', async () => {
  await import('./samples/tracing.ts');
  expect(monitoring.recentSpans().at(-1)).toMatchObject({
    name: 'handle-request',
    attributes: { method: 'GET', url: '/api/users' },
  });
});
