import { readFileSync } from 'node:fs';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { describeWith } from '@vibeonrails/services/vitest';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ConnectRedisOptions, connectRedis, type RedisConnection } from '../src/index.ts';
import { program, startSentinel } from './sentinel-server.ts';
import { startTlsCluster, type TlsCluster } from './tls-cluster.ts';

const open: RedisConnection[] = [];
/** What ioredis prints of errors that nobody listens to. */
const printed = vi.fn();
beforeEach(() => {
  printed.mockClear();
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  vi.spyOn(console, 'error').mockImplementation(printed);
});
const connect = (options: ConnectRedisOptions): RedisConnection => {
  const redis = connectRedis({ connectTimeout: '3s', ...options });
  open.push(redis);
  return redis;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((redis) => redis.close()));
  expect(printed).not.toHaveBeenCalled();
  resetInfra();
});

describeWith('redis', 'a connection with TLS', { tls: true }, (server) => {
  const ca = () => server().tls?.ca ?? '';

  test('trusts the authority of the option', async () => {
    const redis = connect({ url: server().url, tls: { ca: readFileSync(ca()) } });
    await redis.ready();
    expect(await redis.run((client) => client.call('PING'))).toBe('PONG');
  });

  test('trusts the authority that the URL names, so that variables alone are enough', async () => {
    const redis = connect({ env: { REDIS_URL: `${server().url}?ca=${encodeURIComponent(ca())}` } });
    await redis.ready();
  });

  test('checks the name of the certificate, or the one it is told', async () => {
    const tls = { ca: readFileSync(ca()) };
    const wrong = connect({ url: `${server().url}?servername=other.example`, tls });
    await expect(wrong.ready()).rejects.toMatchObject({ code: 'E_REDIS_TLS' });
    await connect({ url: `${server().url}?servername=localhost`, tls }).ready();
  });

  test('a certificate that is not trusted is one coded error at once that says what to do', async () => {
    const startedAt = performance.now();
    const redis = connect({ url: server().url, connectTimeout: '60s' });
    await expect(redis.ready()).rejects.toMatchObject({
      code: 'E_REDIS_TLS',
      message: expect.stringMatching(/self.signed certificate.*\?ca=\/path\/ca\.pem/),
    });
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });

  test('an authority that is not there or is none is a coded error', async () => {
    const absent = connect({ url: `${server().url}?ca=/no/such/ca.pem` });
    await expect(absent.ready()).rejects.toMatchObject({
      code: 'E_REDIS_TLS',
      message: expect.stringContaining('/no/such/ca.pem'),
    });
    const nonsense = connect({
      url: server().url,
      tls: { ca: '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----' },
    });
    await expect(nonsense.ready()).rejects.toMatchObject({ code: 'E_REDIS_TLS' });
  });

  test('a URL without TLS is a coded error that says so', async () => {
    const redis = connect({ url: server().url.replace('rediss:', 'redis:') });
    await expect(redis.ready()).rejects.toMatchObject({
      code: 'E_REDIS_TLS',
      message: expect.stringContaining('use rediss:// for a TLS port'),
    });
  });
});

describeWith('redis', 'Sentinel with TLS', { tls: true, password: 's3cret', own: true }, (master) => {
  if (!program)
    return void describe.skip('skipped: no redis-server on the PATH', () => test('', () => undefined));
  let sentinel: Awaited<ReturnType<typeof startSentinel>>;
  beforeAll(async () => {
    sentinel = await startSentinel(master(), 's3cret');
  });
  afterAll(async () => {
    await sentinel?.stop();
  });
  const url = (query = '') =>
    `rediss+sentinel://:s3cret@127.0.0.1:${sentinel.port}/mymaster/1?sentinelPassword=sentinel-s3cret${query}`;

  test('the Sentinels and the master are asked over TLS, with one authority', async () => {
    const redis = connect({
      url: url(`&ca=${encodeURIComponent(master().tls?.ca ?? '')}`),
      connectTimeout: '30s',
    });
    await redis.ready();
    expect(await redis.run((client) => client.call('ROLE'))).toContain('master');
    expect(await redis.run((client) => client.call('CLIENT', 'INFO'))).toContain(' db=1 ');
  });

  test('finds the master again after the connection was cut', async () => {
    const redis = connect({
      url: url(),
      tls: { ca: readFileSync(master().tls?.ca ?? '') },
      connectTimeout: '30s',
    });
    await redis.ready();
    await master().restart();
    await vi.waitFor(async () => expect(await redis.run((client) => client.call('PING'))).toBe('PONG'), {
      timeout: 40_000,
      interval: 50,
    });
  });

  test('a certificate that is not trusted is a coded error', async () => {
    const redis = connect({ url: url(), connectTimeout: '1s' });
    await expect(redis.ready()).rejects.toMatchObject({
      code: 'E_REDIS_TLS',
      message: expect.stringMatching(/self.signed certificate/),
    });
  });
});

describeWith('redis', 'a cluster with TLS', { own: true }, () => {
  let cluster: TlsCluster;
  beforeAll(async () => {
    cluster = await startTlsCluster();
  });
  afterAll(async () => {
    await cluster?.stop();
  });
  const url = (query = '') =>
    `rediss+cluster://${cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',')}${query}`;

  test('every node is reached over TLS, also those found by another', async () => {
    const [first] = cluster.nodes;
    const redis = connect({
      url: `rediss+cluster://127.0.0.1:${first?.port}?ca=${encodeURIComponent(cluster.ca)}`,
      connectTimeout: '30s',
    });
    await redis.ready();
    const keys = Array.from({ length: 30 }, (_, i) => `key:${i}`);
    await Promise.all(keys.map((key) => redis.run((client) => client.call('SET', key, key))));
    for (const node of cluster.nodes) expect(Number(await node.command('DBSIZE'))).toBeGreaterThan(0);
  });

  test('a certificate that is not trusted is a coded error', async () => {
    const redis = connect({ url: url(), connectTimeout: '1s' });
    await expect(redis.ready()).rejects.toMatchObject({
      code: 'E_REDIS_TLS',
      message: expect.stringMatching(/self.signed certificate/),
    });
  });
});
