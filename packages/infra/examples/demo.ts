/**
 * A small sign-up application on all eight modules.
 *
 *   npm run demo                 on embedded drivers: no server, no key
 *   npm run demo -- --port 4000  on a port of your choice
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { boot } from '@vibeonrails/infra';
import { onShutdown, type ShutdownReport } from '@vibeonrails/infra/core';
import { ListenError, type RunningServer, serve } from '@vibeonrails/infra/http';
import { traceHandler } from '@vibeonrails/infra/monitoring';
import { startWorker } from '@vibeonrails/infra/queue';
import { createRealtimeServer } from '@vibeonrails/infra/realtime';
import { feed } from './feed.ts';
import { keepLogs } from './logs.ts';
import { answer, routeOf } from './routes.ts';
import './welcome.ts';

const { values: flags } = parseArgs({
  options: { port: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
});
if (flags.help) {
  console.log(
    'npm run demo [-- --port NUMBER]\n\nA sign-up application on all eight modules, in one process.',
  );
  process.exit(0);
}

// Everything the demo writes goes into one temporary folder.
const folder = mkdtempSync(join(tmpdir(), 'infra-demo-'));
process.env.STORAGE_DIR ??= join(folder, 'storage');
process.env.EMAIL_OUTBOX ??= join(folder, 'outbox');

keepLogs();
const app = await boot({ service: 'infra-demo', signals: { onReport: sayWhatWasDrained } });
const web = await listen(flags.port === undefined ? undefined : Number(flags.port));
onShutdown('web server', () => web.close('3s'), { phase: 'stop' });
await createRealtimeServer({ path: '/live', channels: [feed] }).attach(web.server);
// The worker starts last, so that it drains first: the pages still see the last steps.
await startWorker({ concurrency: 5 });

console.log(`
  The demo runs at       ${web.url}
  Health and metrics at  ${app.url}/health and /metrics
  Its files are in       ${folder}
  Ctrl-C drains and stops it.
`);

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
