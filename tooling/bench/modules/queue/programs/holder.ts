// A worker that takes a job and keeps it until it is killed. Says so on descriptor 3. Argument: ours or bullmq.
import { writeSync } from 'node:fs';
import * as work from '../work.ts';

const taken = (): Promise<void> => {
  writeSync(3, 'taken\n');
  return new Promise(() => undefined);
};
if (process.argv[2] === 'ours') {
  const { queue } = await work.ourQueue('bullmq', taken);
  await queue.startWorker({ concurrency: 1 });
} else await work.bullWorker(1, taken);
