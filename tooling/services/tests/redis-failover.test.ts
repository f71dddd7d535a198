import { expect, test, vi } from 'vitest';
import { describeWith } from '../src/vitest.ts';

const eventually = { timeout: 40_000, interval: 50 };

describeWith('redis-sentinel', 'a Sentinel', (sentinel) => {
  test('has the replica take over from a master that is well, and from one that is gone', {
    timeout: 90_000,
  }, async () => {
    const [first, second] = sentinel().nodes;
    expect(await sentinel().master()).toBe(first);
    await first?.command('SET', 'key', '1');
    await sentinel().failover();
    expect(await sentinel().master()).toBe(second);
    await vi.waitFor(async () => expect(await second?.command('SET', 'key', '2')).toBe('OK'), eventually);
    await vi.waitFor(async () => expect(await first?.command('GET', 'key')).toBe('2'), eventually);
    await second?.kill();
    await vi.waitFor(async () => expect(await sentinel().master()).toBe(first), eventually);
    await vi.waitFor(async () => expect(await first?.command('SET', 'key', '3')).toBe('OK'), eventually);
  });
});

describeWith('redis-cluster', 'a cluster with replicas', { replicas: true }, (cluster) => {
  test('goes on without one of its masters', { timeout: 90_000 }, async () => {
    const { nodes, replicas } = cluster();
    expect([nodes.length, replicas.length]).toEqual([3, 3]);
    await nodes[0]?.kill();
    await vi.waitFor(
      async () => expect(await replicas[0]?.command('INFO', 'replication')).toContain('role:master'),
      eventually,
    );
    await vi.waitFor(
      async () => expect(await replicas[0]?.command('CLUSTER', 'INFO')).toContain('cluster_state:ok'),
      eventually,
    );
  });
});
