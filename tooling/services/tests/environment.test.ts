import { expect, test } from 'vitest';
import { environmentOf, service } from '../src/index.ts';
import { thisMachine } from '../src/machine.ts';
import { describeWith } from '../src/vitest.ts';

describeWith('s3', 'the variables of an S3 server', { own: true }, (s3) => {
  test('lead another process to it, with its keys', async () => {
    const env = { ...environmentOf(s3()), TEST_S3_REGION: 'eu-west-1' };
    const found = await service('s3', {}, { ...thisMachine, env });
    if (!found.available) throw new Error(found.reason);
    expect(found.from).toBe('environment');
    const { endpoint, accessKeyId, secretAccessKey } = s3();
    expect(await found.start()).toMatchObject({
      endpoint,
      region: 'eu-west-1',
      accessKeyId,
      secretAccessKey,
    });
  });

  test('also name it for the application', () => {
    expect(environmentOf(s3())).toMatchObject({
      S3_ENDPOINT: s3().endpoint,
      S3_ACCESS_KEY_ID: s3().accessKeyId,
      S3_PATH_STYLE: 'true',
    });
  });
});

describeWith('redis', 'the variables of a Redis', { tls: true }, (redis) => {
  test('name its address, and the certificate to trust', () => {
    expect(environmentOf(redis())).toEqual({
      TEST_REDIS_URL: redis().url,
      REDIS_URL: redis().url,
      NODE_EXTRA_CA_CERTS: redis().tls?.ca,
    });
  });
});

test('of a browser, its path', async () => {
  const env = { CHROMIUM_PATH: '/opt/chromium' };
  const found = await service('chromium', {}, { ...thisMachine, env });
  if (!found.available) throw new Error(found.reason);
  const browser = await found.start();
  expect(browser.args).toContain('--headless');
  expect(environmentOf(browser)).toEqual(env);
});

test('a server named in the environment that does not answer is an error', async () => {
  const env = {
    TEST_S3_ENDPOINT: 'http://127.0.0.1:1',
    TEST_S3_ACCESS_KEY_ID: 'a',
    TEST_S3_SECRET_ACCESS_KEY: 'b',
  };
  const found = await service('s3', {}, { ...thisMachine, env });
  if (!found.available) throw new Error(found.reason);
  await expect(found.start()).rejects.toThrow('TEST_S3_ENDPOINT does not answer');
});
