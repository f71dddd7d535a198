import { readFileSync } from 'node:fs';
import { resetInfra } from '@vibeonrails/infra-core/testing';
import { describeWith } from '@vibeonrails/services/vitest';
import { afterEach, expect, test, vi } from 'vitest';
import { type ConnectRedisOptions, connectRedis, type RedisConnection } from '../src/index.ts';

const open: RedisConnection[] = [];
const connect = (options: ConnectRedisOptions): RedisConnection => {
  const redis = connectRedis({ connectTimeout: '3s', ...options });
  open.push(redis);
  return redis;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((redis) => redis.close()));
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
    const warn = vi.spyOn(console, 'error');
    const startedAt = performance.now();
    const redis = connect({ url: server().url, connectTimeout: '60s' });
    await expect(redis.ready()).rejects.toMatchObject({
      code: 'E_REDIS_TLS',
      message: expect.stringMatching(/self.signed certificate.*\?ca=\/path\/ca\.pem/),
    });
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    expect(warn).not.toHaveBeenCalled();
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
