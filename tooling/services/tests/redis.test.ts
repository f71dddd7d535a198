import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { type RedisOptions, type RunningRedis, service } from '../src/index.ts';
import { type Machine, thisMachine } from '../src/machine.ts';
import { describeWith } from '../src/vitest.ts';

async function start(options?: RedisOptions): Promise<RunningRedis> {
  const found = await service('redis', { own: true });
  if (!found.available) throw new Error(found.reason);
  const redis = await found.start(options);
  onTestFinished(() => redis.stop());
  return redis;
}

async function ping(socket: ReturnType<typeof connect>): Promise<string> {
  socket.write('PING\r\n');
  return await new Promise((resolve, reject) => {
    socket.once('data', (data) => resolve(data.toString())).once('error', reject);
  });
}

const isAlive = (pid: number | undefined): boolean => {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
};

describeWith('redis', 'a plain Redis', (redis) => {
  test('answers PING on a raw socket of 127.0.0.1', async () => {
    const socket = connect({ host: redis().host, port: redis().port });
    expect(await ping(socket)).toBe('+PONG\r\n');
    socket.destroy();
  });

  test('listens below the ports that outgoing connections take', () => {
    expect(redis().port).toBeLessThan(32_768);
    expect(redis().url).toBe(`redis://127.0.0.1:${redis().port}`);
  });

  test('keeps replies of several lines and of any script whole', async () => {
    await redis().command('SET', 'text', 'erste Zeile\r\nzweite: grün ✓');
    expect(await redis().command('GET', 'text')).toBe('erste Zeile\r\nzweite: grün ✓');
  });

  test('an error reply is thrown with the words of the server', async () => {
    await expect(redis().command('NONSENSE')).rejects.toThrow('unknown command');
  });
});

describeWith('redis', 'a Redis of our own', { own: true }, () => {
  test('stop ends the process, removes its folder, and can be called twice', async () => {
    const redis = await start();
    const { pid, dir } = redis;
    expect(isAlive(pid)).toBe(true);
    await redis.stop();
    await redis.stop();
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(dir ?? '')).toBe(false);
    await expect(redis.restart()).rejects.toThrow('was stopped');
  });

  test('an append-only file brings the data back after SIGKILL, on the same port', async () => {
    const redis = await start({ appendonly: true });
    const { pid } = redis;
    await redis.command('SET', 'kept', 'yes');
    await redis.kill();
    expect(redis.pid).toBeUndefined();
    await expect(redis.command('PING')).rejects.toThrow('ECONNREFUSED');
    await redis.restart();
    expect(redis.pid).not.toBe(pid);
    expect(await redis.command('GET', 'kept')).toBe('yes');
  });

  test('without one it comes back empty', async () => {
    const redis = await start();
    await redis.command('SET', 'lost', 'yes');
    await redis.restart();
    expect(await redis.command('EXISTS', 'lost')).toBe('0');
  });

  test('a paused one holds its answer until it goes on', async () => {
    const redis = await start();
    redis.pause();
    const answer = redis.command('PING');
    expect(await Promise.race([answer, wait(300, 'silence')])).toBe('silence');
    redis.resume();
    expect(await answer).toBe('PONG');
  });

  test('a paused one can be stopped, in order and so without the wait for a kill', async () => {
    const redis = await start();
    const { pid } = redis;
    redis.pause();
    const before = performance.now();
    await redis.stop();
    expect(isAlive(pid)).toBe(false);
    expect(performance.now() - before).toBeLessThan(4_000);
  });

  test('takes a memory limit, a policy and other arguments', async () => {
    const redis = await start({
      maxmemory: '16mb',
      maxmemoryPolicy: 'allkeys-lru',
      args: ['--databases', '3'],
    });
    expect(await redis.command('INFO', 'memory')).toContain('maxmemory:16777216');
    expect(await redis.command('INFO', 'memory')).toContain('maxmemory_policy:allkeys-lru');
    await expect(redis.command('SELECT', '3')).rejects.toThrow('out of range');
  });

  test('a password is in the address, and needed', async () => {
    const redis = await start({ password: 'a b@c' });
    expect(redis.url).toContain(':a%20b%40c@');
    expect(await redis.command('PING')).toBe('PONG');
    const socket = connect({ host: redis.host, port: redis.port });
    expect(await ping(socket)).toContain('NOAUTH');
    socket.destroy();
  });

  test('TLS: a client that trusts the certificate gets in, one that does not is refused', async () => {
    const redis = await start({ tls: true });
    expect(redis.url).toMatch(/^rediss:/);
    const address = { host: redis.host, port: redis.port };
    const ca = readFileSync(redis.tls?.ca ?? '');
    const trusted = connectTls({ ...address, ca });
    expect(await ping(trusted)).toBe('+PONG\r\n');
    trusted.destroy();
    await expect(ping(connectTls(address))).rejects.toThrow('self-signed');
  });

  test('an argument that Redis refuses is an error with its log', async () => {
    await expect(start({ args: ['--no-such-option', '1'] })).rejects.toThrow(
      /ended at once[\s\S]*no-such-option/,
    );
  });
});

describeWith('redis-cluster', 'a cluster', (cluster) => {
  test('three masters share the slots and all say ok', async () => {
    expect(cluster().nodes).toHaveLength(3);
    for (const node of cluster().nodes) {
      const info = await node.command('CLUSTER', 'INFO');
      expect(info).toContain('cluster_state:ok');
      expect(info).toContain('cluster_slots_assigned:16384');
      expect(info).toContain('cluster_size:3');
    }
  });

  test('a key that another node keeps is answered with its address', async () => {
    const replies = cluster().nodes.map((node) => node.command('SET', 'key', 'value').catch(String));
    const moved = (await Promise.all(replies)).filter((reply) => reply.includes('MOVED'));
    expect(moved).toHaveLength(2);
    for (const reply of moved) expect(reply).toMatch(/127\.0\.0\.1:\d+/);
  });
});

describeWith('redis', 'a Redis that somebody else runs', { own: true }, (redis) => {
  test('is used by its address, and never set up, paused or killed', async () => {
    const found = await service('redis', {}, machineOf({ TEST_REDIS_URL: redis().url }));
    if (!found.available) throw new Error(found.reason);
    const foreign = await found.start();
    expect(found.from).toBe('environment');
    expect(await foreign.command('PING')).toBe('PONG');
    expect(() => foreign.pause()).toThrow('own: true');
    await expect(foreign.kill()).rejects.toThrow('own: true');
    await foreign.stop();
    expect(await redis().command('PING')).toBe('PONG');
    await expect(found.start({ appendonly: true })).rejects.toThrow('own: true');
  });
});

test('an address at which nothing answers is an error', async () => {
  const found = await service('redis', {}, machineOf({ TEST_REDIS_URL: 'redis://127.0.0.1:1' }));
  if (!found.available) throw new Error(found.reason);
  await expect(found.start()).rejects.toThrow('does not answer on 127.0.0.1:1');
});

function machineOf(env: Record<string, string>): Machine {
  return { ...thisMachine, env };
}
