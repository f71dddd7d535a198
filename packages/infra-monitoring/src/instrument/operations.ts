import type { OperationEvent, Operations } from '@vibeonrails/infra-core';
import type { Labels } from '../metrics/labels.ts';
import type { Attributes, SpanKind } from '../tracing/span.ts';

/** What is recorded of one operation. */
export interface InstrumentedOperation<N extends keyof Operations> {
  /** The histogram of its durations, in seconds. Its count is the rate, its label `outcome` the errors. */
  readonly metric: string;
  readonly kind: SpanKind;
  /** What it works on, as the second word of the span's name: of few values, such as a job's name. */
  target?(event: OperationEvent<N>): string;
  /** Labels of few values, never a key. Read when it is over. */
  labels?(event: OperationEvent<N>): Labels;
  /** Facts for the span. */
  attributes?(event: OperationEvent<N>): Attributes;
}

type Table = { readonly [N in keyof Operations]: InstrumentedOperation<N> };

const CACHE = 'cache_operation_duration_seconds';
const EMAIL = 'email_operation_duration_seconds';
const QUEUE = 'queue_operation_duration_seconds';
const REALTIME = 'realtime_operation_duration_seconds';
const STORAGE = 'storage_operation_duration_seconds';

const cache = {
  metric: CACHE,
  kind: 'client',
  labels: ({ driver }: OperationEvent<'cache.set'>) => ({ driver }),
  attributes: ({ key, driver }: OperationEvent<'cache.set'>) => ({
    'cache.key': key,
    'cache.driver': driver,
  }),
} as const;

const storage = {
  metric: STORAGE,
  kind: 'client',
  labels: ({ driver }: OperationEvent<'storage.get'>) => ({ driver }),
  attributes: ({ key, driver }: OperationEvent<'storage.get'>) => ({
    'storage.key': key,
    'storage.driver': driver,
  }),
} as const;

const queueFacts = ({ job, queue, driver }: OperationEvent<'queue.enqueue'>): Attributes => ({
  'messaging.system': driver,
  'messaging.destination.name': queue,
  'job.name': job,
});

const channelFacts = ({ channel, bytes }: OperationEvent<'realtime.publish'>): Attributes => ({
  'messaging.destination.name': channel,
  'messaging.message.body.size': bytes,
});

/** A lookup of several keys is a hit when one of them is there. */
const isHit = (result: unknown): boolean =>
  Array.isArray(result) && result.length > 0
    ? result.some((found) => found !== undefined)
    : result !== undefined;

/** Every operation that is measured: one entry each, and the compiler asks for those that are missing. */
export const OPERATIONS: Table = {
  'cache.get': {
    ...cache,
    labels: (event) => ({
      driver: event.driver,
      ...('result' in event && { result: isHit(event.result) ? 'hit' : 'miss' }),
    }),
  },
  'cache.set': cache,
  'cache.delete': cache,
  'cache.load': { ...cache, kind: 'internal' },
  'email.render': {
    metric: EMAIL,
    kind: 'internal',
    target: ({ template }) => template,
    labels: ({ template }) => ({ template }),
    attributes: ({ template, locale }) => ({ 'email.template': template, 'email.locale': locale }),
  },
  'email.send': {
    metric: EMAIL,
    kind: 'client',
    target: ({ template }) => template,
    labels: ({ template, transport }) => ({ template, transport }),
    attributes: ({ template, transport, recipients }) => ({
      'email.template': template,
      'email.transport': transport,
      'email.recipients': recipients,
    }),
  },
  'health.check': {
    metric: 'health_check_duration_seconds',
    kind: 'internal',
    target: ({ name }) => name,
    labels: ({ name }) => ({ check: name }),
  },
  'queue.enqueue': {
    metric: QUEUE,
    kind: 'producer',
    target: ({ job }) => job,
    labels: ({ job, queue, driver }) => ({ job, queue, driver }),
    attributes: queueFacts,
  },
  'queue.process': {
    metric: QUEUE,
    kind: 'consumer',
    target: ({ job }) => job,
    labels: ({ job, queue, driver }) => ({ job, queue, driver }),
    attributes: (event) => ({
      ...queueFacts(event),
      'messaging.message.id': event.id,
      'job.attempt': event.attempt,
    }),
  },
  // A channel is often one per user or room: on the span, never a label.
  'realtime.message': { metric: REALTIME, kind: 'consumer', attributes: channelFacts },
  'realtime.publish': { metric: REALTIME, kind: 'producer', attributes: channelFacts },
  'storage.copy': storage,
  'storage.delete': storage,
  'storage.get': storage,
  'storage.info': storage,
  'storage.list': {
    ...storage,
    labels: ({ driver }) => ({ driver }),
    attributes: ({ driver, prefix }) => ({ 'storage.driver': driver, 'storage.prefix': prefix }),
  },
  'storage.put': storage,
};
