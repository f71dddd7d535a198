import { listenToClients } from './http-client.ts';
import { listenToServers } from './http-server.ts';
import type { InstrumentOptions, InstrumentTarget, SourceName } from './instrument.ts';
import { listenToRedis } from './redis.ts';

/** Where probes and scrapes go: a span for each of them would drown the others. */
const PROBES = ['/livez', '/readyz', '/startupz', '/health', '/healthz', '/metrics'];

/** What is recorded besides the operations of the modules: a new source is one entry here, one name in its type. */
export const SOURCES: Readonly<
  Record<SourceName, (target: InstrumentTarget, options: InstrumentOptions) => () => void>
> = {
  'http.server': (target, { ignorePaths = PROBES }) => listenToServers(target, new Set(ignorePaths)),
  'http.client': (target, { propagate = () => true }) => listenToClients(target, propagate),
  redis: listenToRedis,
};
