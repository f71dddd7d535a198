/**
 * What each operation says of itself when it starts, by name. A TracingChannel called `infra:<name>` carries it;
 * `result` or `error` is added when it is over. Fields are only ever added.
 */
export interface Operations {
  'cache.get': CacheOperation;
  'cache.set': CacheOperation;
  'cache.delete': CacheOperation;
  'cache.load': CacheOperation;
  'email.render': { readonly template: string; readonly locale?: string };
  'email.send': { readonly template: string; readonly transport: string; readonly recipients: number };
  'health.check': { readonly name: string };
  'queue.enqueue': QueueOperation;
  'queue.process': QueueOperation & {
    readonly id: string;
    /** 1 for the first. */
    readonly attempt: number;
  };
  'realtime.message': { readonly channel: string; readonly bytes: number };
  'realtime.publish': { readonly channel: string; readonly bytes: number };
  'storage.copy': StorageOperation & { readonly from: string };
  'storage.delete': StorageOperation;
  'storage.get': StorageOperation;
  'storage.info': StorageOperation;
  'storage.list': { readonly driver: string; readonly prefix: string };
  'storage.put': StorageOperation;
}

/** A cache call. The key is there for a developer's eyes: never a label. */
export interface CacheOperation {
  readonly key: string;
  readonly driver: string;
}

/** A job on its way. */
export interface QueueOperation {
  readonly job: string;
  readonly queue: string;
  readonly driver: string;
}

/** A storage call. The key is there for a developer's eyes: never a label. */
export interface StorageOperation {
  readonly key: string;
  readonly driver: string;
}
