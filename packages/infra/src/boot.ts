import {
  checkConfig,
  InfraError,
  installSignalHandlers,
  isInfraError,
  logger,
  messageOf,
  modulesInUse,
  onShutdown,
  type ShutdownReport,
  type SignalOptions,
  shutdown,
} from '@vibeonrails/infra-core';
import type { FetchHandler, RunningServer } from '@vibeonrails/infra-core/http';
import { config, opsHandler, serveOps, watchModules } from './ops.ts';

/** How an application is booted. Everything has a default. */
export interface BootOptions {
  /** The service's name on logs, metrics and traces. @default SERVICE_NAME, else the name in package.json */
  service?: string;
  /** Port of health and metrics; 0 takes any free one, `false` serves none. @default OPS_PORT, else 9464 */
  opsPort?: number | false;
  /** @default '0.0.0.0' in production, where probes come from outside, else '127.0.0.1' */
  opsHost?: string;
  /** Shut down in order on SIGTERM and SIGINT; with options, on those terms. @default true */
  signals?: boolean | SignalOptions;
}

/** An application that has booted. */
export interface RunningApp {
  /** Where health and metrics are served; `undefined` with `opsPort: false`. */
  readonly url: string | undefined;
  /** The same endpoints as a Fetch handler, to mount in a server of your own. */
  readonly ops: FetchHandler;
  /** Shuts everything down in order. */
  stop(): Promise<ShutdownReport>;
}

/** Several modules cannot start. */
export class BootError extends InfraError {
  /** What each module that cannot start has thrown, by module. */
  readonly failures: Readonly<Record<string, unknown>>;

  constructor(failures: Readonly<Record<string, unknown>>) {
    const lines = Object.entries(failures).map(([module, thrown]) => `  ${module}: ${messageOf(thrown)}`);
    super(`${lines.length} modules cannot start:\n${lines.join('\n')}\n`, {
      code: 'E_BOOT',
      retryable: Object.values(failures).every((thrown) => isInfraError(thrown) && thrown.retryable),
      help: 'Each line says what to do.',
      cause: new AggregateError(Object.values(failures)),
    });
    this.failures = failures;
  }
}

/**
 * Starts what an application imported, in one call: structured logs, every module's `ready()`, traces and metrics of
 * all of them and of the process, health and metrics endpoints, and an orderly shutdown on SIGTERM and SIGINT.
 *
 * When it rejects, whatever had started is shut down again.
 *
 * Call it after the imports and before serving. A module that is imported later is picked up when it is used.
 *
 * @throws `E_CONFIG` naming every wrong variable of every package; the coded error of the module that cannot start,
 *   {@link BootError} `E_BOOT` when there are several; `E_LISTEN` when the port is taken.
 */
export async function boot(options: BootOptions = {}): Promise<RunningApp> {
  if (options.service) process.env.SERVICE_NAME ??= options.service;
  checkConfig();
  const values = config.read();
  const production = process.env.NODE_ENV === 'production';
  await import('@vibeonrails/infra-core/logging');
  const { collectProcessMetrics, instrument } = await import('@vibeonrails/infra-monitoring');
  const { markStarted } = await import('@vibeonrails/infra-health');

  const watch = await watchModules();
  const ops = await opsHandler(watch, values.OPS_TOKEN, production);
  const instruments = [instrument(), collectProcessMetrics()];
  const stopInstruments = (): void => {
    for (const stopOne of instruments) stopOne();
  };
  const { opsPort = values.OPS_PORT, opsHost = production ? '0.0.0.0' : '127.0.0.1' } = options;
  // It listens before the modules are ready, so that a startup probe has somebody to ask.
  const server = opsPort === false ? undefined : await serveOps(ops, opsPort, opsHost, production);
  try {
    await readyAll();
  } catch (error) {
    // What did start must not keep alive a process that serves nothing.
    await shutdown('boot failed', { deadline: '5s' });
    stopInstruments();
    await server?.close(0);
    throw error;
  }
  watch();
  markStarted();
  registerShutdown(server, stopInstruments);
  if (options.signals !== false)
    installSignalHandlers(options.signals === true ? {} : (options.signals ?? {}));
  logger.info({ modules: modulesInUse().map(({ module }) => module), ops: server?.url }, 'ready');
  return { url: server?.url, ops, stop: () => shutdown('stop') };
}

/** Awaits every module in use, all at once; one failure is thrown as it is, several as one error. */
async function readyAll(): Promise<void> {
  const modules = modulesInUse();
  const outcomes = await Promise.allSettled(modules.map(async (module) => module.ready()));
  const failures = outcomes.flatMap((outcome, i) =>
    outcome.status === 'rejected' ? [[modules[i]!.module, outcome.reason as unknown] as const] : [],
  );
  if (failures.length === 1) throw failures[0]![1];
  if (failures.length > 1) throw new BootError(Object.fromEntries(failures));
}

/** Probes are answered and metrics scraped until the very end: what is registered first in a phase goes last. */
function registerShutdown(server: RunningServer | undefined, stopInstruments: () => void): void {
  if (server) onShutdown('ops server', () => server.close('1s'), { phase: 'flush' });
  onShutdown('instruments', stopInstruments, { phase: 'flush' });
}
