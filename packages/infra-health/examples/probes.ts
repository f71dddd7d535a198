// The probe endpoints of a service: what it depends on, what only degrades it, and what a restart would repair.
// With PORT set it stays up until Ctrl-C. Without, it listens on any free port, asks itself once and stops.
import { installSignalHandlers, onShutdown, shutdown } from '@vibeonrails/infra-core';
import { serve } from '@vibeonrails/infra-core/http';
import { logger } from '@vibeonrails/infra-core/logging';
import {
  disk,
  eventLoop,
  healthHandler,
  markStarted,
  memory,
  registerHealthCheck,
  tcp,
} from '@vibeonrails/infra-health';

// Stands in for the database: anything that listens.
const database = await serve(() => new Response());
onShutdown('database', () => database.close());

// Without it nothing can be answered: not ready, after three failures in a row. Asked in the background.
registerHealthCheck('database', tcp({ port: database.port }), { interval: '5s', failureThreshold: 3 });
// Worth knowing, and no reason to take traffic away.
registerHealthCheck('disk', disk({ path: '/' }), { critical: false, cacheFor: '1m' });
registerHealthCheck('memory', memory(), { critical: false });
// A restart would help.
registerHealthCheck('event-loop', eventLoop(), { groups: ['live'] });

const { PORT = '0', OPS_TOKEN } = process.env;
const server = await serve(
  healthHandler({
    details: (request) =>
      OPS_TOKEN !== undefined && request.headers.get('authorization') === `Bearer ${OPS_TOKEN}`,
  }),
  { port: Number(PORT) },
);
// In the last phase: it says "not ready" while the rest shuts down.
onShutdown('probes', () => server.close('1s'), { phase: 'flush' });
markStarted();
logger.info({ url: server.url }, 'probes are served');

// A load balancer needs a moment to notice.
if (Number(PORT) > 0) installSignalHandlers({ drainDelay: '5s' });
else {
  for (const path of ['/livez', '/readyz', '/startupz', '/health']) {
    const response = await fetch(server.url + path);
    logger.info({ path, status: response.status, body: await response.json() }, 'answered');
  }
  await shutdown('example');
}
