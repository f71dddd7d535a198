// Stores a stream of unknown length, and prints by how many bytes this process grew meanwhile.
import { systemClock } from '@vibeonrails/infra-core';
import { createStorage } from '../src/client.ts';
import { s3Driver } from '../src/drivers/s3.ts';

const [account = '', mebibytes = '0'] = process.argv.slice(2);
const driver = s3Driver({ account: JSON.parse(account), timeout: 20_000, clock: systemClock });
const storage = createStorage({ driver, env: {} });
const size = 1024 * 1024;
let most = 0;

async function* stream(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i += 1) {
    for (let at = 0; at < 16; at += 1) yield Buffer.alloc(size / 16, i);
    most = Math.max(most, process.memoryUsage().rss);
  }
}

// What the library takes, and the first connections, are not the stream's.
await storage.put('small', 'x');
const before = process.memoryUsage().rss;
await storage.put('big', stream(Number(mebibytes)));
process.stdout.write(JSON.stringify({ grown: most - before, size: (await storage.info('big'))?.size }));
await storage.close();
