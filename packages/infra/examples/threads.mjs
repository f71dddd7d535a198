// TypeScript for the threads of a process: up to Node.js 22 the loader serves its main thread alone.
import { isMainThread } from 'node:worker_threads';

if (!isMainThread) {
  const { register } = await import('tsx/esm/api');
  register();
}
