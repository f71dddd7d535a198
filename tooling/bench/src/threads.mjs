// TypeScript for the threads of a candidate: the loader serves its main thread alone.
import { isMainThread } from 'node:worker_threads';

if (!isMainThread) {
  const { register } = await import('tsx/esm/api');
  register();
}
