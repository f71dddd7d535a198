// A service on core alone: configuration checked at once, log lines with the caller's trace id, an orderly shutdown.
// With PORT set it stays up until Ctrl-C. Without, it listens on any free port, asks itself once and stops.
import {
  currentContext,
  defineConfig,
  duration,
  extract,
  inject,
  installSignalHandlers,
  int,
  onShutdown,
  runWithContext,
  shutdown,
} from '@vibeonrails/infra-core';
import { type FetchHandler, serve } from '@vibeonrails/infra-core/http';
import { logger } from '@vibeonrails/infra-core/logging';

const config = defineConfig(
  { PORT: int({ default: 0, description: 'Where it listens' }), GRACE: duration({ default: '5s' }) },
  { package: 'greeter' },
);
const { PORT, GRACE } = config.read();

/** Whoever called is in the context, and so on every log line. */
const greet: FetchHandler = (request) =>
  runWithContext(extract(request.headers), () => {
    const name = new URL(request.url).searchParams.get('name') ?? 'world';
    logger.info({ name }, 'greeted');
    return Response.json({ hello: name, trace: currentContext().trace?.traceId });
  });

const server = await serve(greet, { port: PORT });
onShutdown('http', () => server.close(GRACE), { phase: 'stop' });
logger.info({ url: server.url }, 'listening');

if (PORT > 0) installSignalHandlers();
else {
  const trace = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', sampled: true };
  const headers = inject(new Headers(), { trace });
  const answer = await fetch(`${server.url}/?name=Ada`, { headers });
  logger.info({ answer: await answer.json() }, 'answered');
  await shutdown('example');
}
