import { describeError } from '../tracing/recorded-span.ts';
import type { Span } from '../tracing/span.ts';
import { onTracingChannel } from './channel.ts';
import type { InstrumentTarget } from './instrument.ts';

const METRIC = 'db_client_operation_duration_seconds';

/** What ioredis says of a command, of a transaction, and of a connection. */
interface RedisEvent {
  readonly command?: string;
  readonly batchSize?: number;
  readonly database?: number;
  readonly serverAddress?: string;
  readonly serverPort?: number | undefined;
}

/** Commands that wait for something to happen: how long they take says nothing about Redis. */
const WAITING = /^(?:b[lrz]|xread|wait|[ps]?subscribe|monitor)/i;

interface UnderWay {
  readonly operation: string;
  readonly startedAt: number;
  readonly span: Span | undefined;
}

/** The channels of ioredis 5.11 and later, and what each operation is called. */
const CHANNELS: Readonly<Record<string, (event: RedisEvent) => string | undefined>> = {
  'ioredis:command': ({ command }) =>
    command === undefined || WAITING.test(command) ? undefined : command.toUpperCase(),
  'ioredis:batch': () => 'MULTI',
  'ioredis:connect': () => 'CONNECT',
};

/**
 * Records every command to Redis; a span only below another one, since clients also talk to Redis by themselves, and
 * each word of that would be a trace of its own.
 */
export function listenToRedis(target: InstrumentTarget): () => void {
  const { registry, tracer, timer } = target;
  registry.describe(METRIC, { type: 'histogram', help: 'Time a command to a database took, in seconds.' });
  const stops = Object.entries(CHANNELS).map(([channel, operationOf]) =>
    onTracingChannel<RedisEvent, UnderWay>(
      channel,
      target,
      (event) => {
        const operation = operationOf(event);
        if (operation === undefined) return undefined;
        const span = tracer.activeSpan() && tracer.startSpan(operation, { kind: 'client' });
        if (span) tracer.setSpanAttributes(span.spanId, attributesOf(event, operation));
        return { operation, span, startedAt: timer.elapsed() };
      },
      (event, { operation, span, startedAt }) => {
        const failed = 'error' in event;
        registry.observe(METRIC, (timer.elapsed() - startedAt) / 1000, {
          db_system_name: 'redis',
          db_operation_name: operation,
          ...(failed && { error_type: describeError(event.error).type }),
        });
        if (span) tracer.endSpan(span.spanId, failed ? { error: event.error } : {});
      },
    ),
  );
  return () => {
    for (const stop of stops) stop();
  };
}

/** Keys and values are left out: they are where personal data is. */
const attributesOf = (event: RedisEvent, operation: string): Record<string, string | number | undefined> => ({
  'db.system.name': 'redis',
  'db.operation.name': operation,
  'db.operation.batch.size': event.batchSize,
  'db.namespace': event.database === undefined ? undefined : String(event.database),
  'server.address': event.serverAddress,
  'server.port': event.serverPort,
});
