// A worker process on the crons it is given as JSON: says `tick` with a cron's name, the tick and the attempt on descriptor 3.
import { writeSync } from 'node:fs';
import { type CronDefinition, defineCron, startWorker } from '@vibeonrails/infra-queue';

const say = (...words: unknown[]): void => void writeSync(3, `${words.join(' ')}\n`);

for (const definition of JSON.parse(process.env.CRONS ?? '[]') as Omit<CronDefinition, 'handler'>[])
  defineCron({
    ...definition,
    handler: ({ name, scheduledFor, attempt }) => say('tick', name, scheduledFor.getTime(), attempt),
  });
await startWorker({ signals: true, concurrency: 10, grace: '10s' });
say('ready');
