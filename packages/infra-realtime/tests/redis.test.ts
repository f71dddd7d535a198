import { resetInfra } from '@vibeonrails/infra-core/testing';
import { describeWith } from '@vibeonrails/services/vitest';
import { afterEach, describe, it } from 'vitest';
import { makeDriver } from '../src/config.ts';
import { realtimeDriverSuite } from '../src/testing.ts';
import { patient } from './peers.ts';

afterEach(resetInfra);

describeWith('redis', 'on one server', { own: true }, (server) => {
  realtimeDriverSuite({ describe, it }, 'redis', {
    fresh: async () => void (await server().command('FLUSHALL')),
    connect: () => makeDriver({ redis: { url: server().url, ...patient }, env: {} }),
  });
});

describeWith('redis-cluster', 'on a cluster of three masters', { masters: 3 }, (cluster) => {
  realtimeDriverSuite({ describe, it }, 'redis', {
    fresh: async () => void (await Promise.all(cluster().nodes.map((node) => node.command('FLUSHALL')))),
    connect: () =>
      makeDriver({ redis: { url: cluster().url.replace('redis:', 'redis+cluster:'), ...patient }, env: {} }),
  });
});
