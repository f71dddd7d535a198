// Writes one file for ever, until it is killed.
import { setTimeout as sleep } from 'node:timers/promises';
import { createStorage } from '../src/client.ts';

const storage = createStorage({ dir: process.argv[2] ?? '', env: {} });
await storage.put(
  'k',
  (async function* () {
    for (;;) {
      yield Buffer.alloc(1000);
      process.stdout.write('.');
      await sleep(5);
    }
  })(),
);
