// The application: boot, then what its roles ask for. Environment variables alone decide on what it runs.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boot } from '@vibeonrails/infra';
import { onShutdown, type ShutdownReport } from '@vibeonrails/infra/core';
import { ListenError, type RunningServer, serve } from '@vibeonrails/infra/http';
import { traceHandler } from '@vibeonrails/infra/monitoring';
import { startWorker } from '@vibeonrails/infra/queue';
import { createRealtimeServer } from '@vibeonrails/infra/realtime';
import { keepEvidence } from './evidence.ts';
import { feed, live } from './feed.ts';
import { keepLogs } from './logs.ts';
import { answer, routeOf } from './routes.ts';
import './welcome.ts';

/** Starts the application in this process: the pages, the worker, or both. */
export async function runApplication(roles: readonly ('web' | 'worker')[], port?: number): Promise<void> {
  // Started by another process of the demo: not to outlive it.
  if (process.connected) process.once('disconnect', () => process.exit(1));
  // Everything the demo writes goes into one temporary folder.
  const folder = mkdtempSync(join(tmpdir(), 'infra-demo-'));
  process.env.STORAGE_DIR ??= join(folder, 'storage');
  process.env.EMAIL_OUTBOX ??= join(folder, 'outbox');

  keepLogs();
  const app = await boot({ service: 'infra-demo', signals: { onReport: sayWhatWasDrained } });
  const web = roles.includes('web') ? await serveWeb(port) : undefined;
  // The worker starts last, so that it drains first: the pages still see the last steps.
  if (roles.includes('worker')) {
    keepEvidence();
    await startWorker({ concurrency: 5 });
  }
  console.log(`
  ${web ? `The demo runs at       ${web.url}` : 'The worker runs'}
  Health and metrics at  ${app.url}/health and /metrics
  Its files are in       ${folder}
  Ctrl-C drains and stops it.
`);
}

async function serveWeb(port: number | undefined): Promise<RunningServer> {
  const web = await listen(port);
  onShutdown('web server', () => web.close('3s'), { phase: 'stop' });
  const server = createRealtimeServer({ path: '/live', channels: [feed], allowedOrigins: [web.url] });
  // uWebSockets.js cannot share the port of the pages and gets one of its own.
  if (server.engine === 'uws') live.url = await server.listen();
  else await server.attach(web.server);
  live.engine = server.engine;
  return web;
}

/** On the port asked for, else on the first free one from 3000 up. */
async function listen(asked: number | undefined): Promise<RunningServer> {
  const handler = traceHandler(answer, { route: routeOf });
  if (asked !== undefined) return serve(handler, { port: asked });
  for (let port = 3000; ; port += 1) {
    try {
      return await serve(handler, { port });
    } catch (error) {
      if (!(error instanceof ListenError) || port === 3099) throw error;
    }
  }
}

function sayWhatWasDrained({ ms, hooks }: ShutdownReport): void {
  const done = hooks.map(
    ({ name, status, result }) => `  ${name}: ${result ? JSON.stringify(result) : status}`,
  );
  console.log(`\nDrained and stopped in ${ms} ms:\n${done.join('\n')}`);
}
