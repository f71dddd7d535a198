import { setTimeout as wait } from 'node:timers/promises';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { describeWith } from '@vibeonrails/services/vitest';
import { Redis as Redis5 } from 'ioredis5';
import { afterEach, beforeEach, describe, it, vi } from 'vitest';
import { settingsOf } from '../src/config.ts';
import { driverOf } from '../src/engine.ts';
import type { CacheOptions } from '../src/index.ts';
import { cacheDriverSuite } from '../src/testing.ts';

beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));
afterEach(resetInfra);

const makeDriver = (options: CacheOptions) => driverOf(settingsOf(options).driver);
const pass = async (ms: number): Promise<void> => void (await wait(ms));
/** The contract's runs are about what is done, not how fast: a loaded machine may take its time. */
const patient = { timeout: '10s' } as const;

describeWith('redis', 'on one server', { own: true }, (server) => {
  const empty = () => server().command('FLUSHALL');

  cacheDriverSuite({ describe, it }, 'redis', async () => {
    await empty();
    return { driver: makeDriver({ redis: { url: server().url, ...patient }, env: {} }), pass };
  });
  cacheDriverSuite({ describe, it }, 'redis with memory in front', async () => {
    await empty();
    return { driver: makeDriver({ redis: { url: server().url, ...patient }, memory: true, env: {} }), pass };
  });
  describe('through a client of ioredis 5.11', () => {
    const clients: Redis5[] = [];
    afterEach(async () => {
      await Promise.all(clients.splice(0).map((client) => client.quit()));
    });
    cacheDriverSuite({ describe, it }, 'redis with memory in front', async () => {
      await empty();
      const client = new Redis5(server().url);
      clients.push(client);
      return { driver: makeDriver({ redis: { client, ...patient }, memory: true, env: {} }), pass };
    });
  });
});

describeWith('redis-cluster', 'on a cluster of three masters', { masters: 3 }, (cluster) => {
  const empty = () => Promise.all(cluster().nodes.map((node) => node.command('FLUSHALL')));
  const url = () => cluster().url.replace('redis:', 'redis+cluster:');

  cacheDriverSuite({ describe, it }, 'redis', async () => {
    await empty();
    return { driver: makeDriver({ redis: { url: url(), ...patient }, env: {} }), pass };
  });
  cacheDriverSuite({ describe, it }, 'redis with memory in front', async () => {
    await empty();
    return { driver: makeDriver({ redis: { url: url(), ...patient }, memory: true, env: {} }), pass };
  });
});
