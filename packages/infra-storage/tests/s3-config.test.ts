import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createStorage } from '../src/client.ts';
import { accountOf, config } from '../src/config.ts';

const whole = {
  S3_BUCKET: 'files',
  S3_ENDPOINT: 'http://127.0.0.1:9',
  S3_ACCESS_KEY_ID: 'id',
  S3_SECRET_ACCESS_KEY: 'a secret key',
};
const without = (...names: string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(whole).filter(([name]) => !names.includes(name)));

test('the bucket chooses S3, also in production; a name chooses what it says', async () => {
  const made = [
    createStorage({ env: { ...whole, NODE_ENV: 'production' } }),
    createStorage({ env: { ...whole, STORAGE_DRIVER: 's3' } }),
    createStorage({ driver: 's3', env: whole }),
    createStorage({ s3: { bucket: 'files', accessKeyId: 'id', secretAccessKey: 'key' }, env: {} }),
    createStorage({ s3: { bucket: 'others' }, env: without('S3_BUCKET') }),
  ];
  expect(made.map(({ driver }) => driver)).toEqual(['s3', 's3', 's3', 's3', 's3']);
  const dir = `/tmp/never-made-${randomUUID()}`;
  const files = [
    createStorage({ dir, env: { ...whole, STORAGE_DRIVER: 'fs' } }),
    createStorage({ dir, driver: 'fs', env: { S3_ENDPOINT: 'http://127.0.0.1:9' } }),
    createStorage({ dir, env: { AWS_ACCESS_KEY_ID: 'id', AWS_REGION: 'eu-west-1', AWS_ENDPOINT_URL: 'x' } }),
  ];
  expect(files.map(({ driver }) => driver)).toEqual(['fs', 'fs', 'fs']);
  for (const storage of [...made, ...files]) await storage.close();
});

test.each<[string, Record<string, string>]>([
  ['S3_BUCKET', without('S3_BUCKET')],
  ['S3_BUCKET', { S3_ENDPOINT: 'http://127.0.0.1:9' }],
  ['S3_BUCKET', { S3_REGION: 'eu-west-1' }],
  ['S3_BUCKET', { S3_PATH_STYLE: 'true' }],
  ['S3_BUCKET', { ...without('S3_BUCKET'), STORAGE_DRIVER: 's3' }],
  ['S3_BUCKET', { STORAGE_DRIVER: 's3', AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key' }],
  ['S3_BUCKET', { ...whole, S3_BUCKET: 'Files' }],
  ['S3_BUCKET', { ...whole, S3_BUCKET: 'a..b' }],
  ['S3_BUCKET', { ...whole, S3_BUCKET: '192.168.0.1' }],
  ['S3_SECRET_ACCESS_KEY', without('S3_SECRET_ACCESS_KEY')],
  ['S3_ACCESS_KEY_ID', without('S3_ACCESS_KEY_ID')],
  ['S3_ACCESS_KEY_ID', without('S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY')],
  ['S3_SECRET_ACCESS_KEY', { ...without('S3_SECRET_ACCESS_KEY'), AWS_SECRET_ACCESS_KEY: 'key' }],
  ['S3_ACCESS_KEY_ID', { S3_BUCKET: 'files', S3_SESSION_TOKEN: 'token', AWS_ACCESS_KEY_ID: 'id' }],
  ['AWS_SECRET_ACCESS_KEY', { S3_BUCKET: 'files', AWS_ACCESS_KEY_ID: 'id' }],
  ['AWS_ACCESS_KEY_ID', { S3_BUCKET: 'files', AWS_SECRET_ACCESS_KEY: 'key' }],
  ['S3_ENDPOINT', { ...whole, S3_ENDPOINT: 'localhost:9000' }],
  ['S3_ENDPOINT', { ...whole, S3_ENDPOINT: 'https://s3.test/path' }],
  ['S3_ENDPOINT', { ...whole, S3_ENDPOINT: 'https://user:password@s3.test' }],
  ['AWS_ENDPOINT_URL', { ...without('S3_ENDPOINT'), AWS_ENDPOINT_URL: 'localhost' }],
  ['S3_REGION', { ...whole, S3_REGION: 'eu west' }],
  ['S3_PATH_STYLE', { ...whole, S3_PATH_STYLE: 'maybe' }],
  ['STORAGE_DRIVER', { ...whole, STORAGE_DRIVER: 'S3' }],
])('a store that is half or wrongly described is an error that names %s: %o', (variable, env) => {
  const make = (): unknown => createStorage({ env });
  expect(make).toThrow(expect.objectContaining({ code: 'E_CONFIG' }));
  expect(make).toThrow(variable);
  expect(make).not.toThrow('a secret key');
  expect(make).not.toThrow('password@');
});

const account = (env: Record<string, string>): unknown => accountOf(config.read(env));

test('keys come from one place, and a lent session does not mix with keys of ours', () => {
  const aws = { AWS_ACCESS_KEY_ID: 'aws', AWS_SECRET_ACCESS_KEY: 'aws key', AWS_SESSION_TOKEN: 'aws token' };
  expect(account({ ...whole, ...aws })).toMatchObject({ accessKeyId: 'id', sessionToken: undefined });
  expect(account({ ...whole, ...aws, S3_SESSION_TOKEN: 'ours' })).toMatchObject({ sessionToken: 'ours' });
  expect(account({ S3_BUCKET: 'files', ...aws })).toMatchObject({
    accessKeyId: 'aws',
    secretAccessKey: 'aws key',
    sessionToken: 'aws token',
  });
});

test('endpoint, region and path style have their fallbacks', () => {
  const amazon = without('S3_ENDPOINT');
  expect(account(amazon)).toMatchObject({ endpoint: undefined, region: 'us-east-1', pathStyle: false });
  expect(account({ ...amazon, AWS_REGION: 'a-1', AWS_DEFAULT_REGION: 'b-1' })).toMatchObject({
    region: 'a-1',
  });
  expect(account({ ...amazon, AWS_DEFAULT_REGION: 'b-1', S3_REGION: 'c-1' })).toMatchObject({
    region: 'c-1',
  });
  expect(account(whole)).toMatchObject({ endpoint: 'http://127.0.0.1:9', pathStyle: true });
  expect(account({ ...whole, S3_PATH_STYLE: 'false' })).toMatchObject({ pathStyle: false });
  const general = { ...amazon, AWS_ENDPOINT_URL: 'http://a.test' };
  expect(account(general)).toMatchObject({ endpoint: 'http://a.test', pathStyle: true });
  expect(account({ ...general, AWS_ENDPOINT_URL_S3: 'http://b.test' })).toMatchObject({
    endpoint: 'http://b.test',
  });
});

test('a timeout that is none is refused', () => {
  expect(() => createStorage({ env: whole, timeout: 0 })).toThrow(
    expect.objectContaining({ code: 'E_STORAGE_OPTION' }),
  );
});

test.each([
  [{}, 'https://files.s3.us-east-1.amazonaws.com/a%20b/c?'],
  [{ S3_REGION: 'cn-north-1' }, 'https://files.s3.cn-north-1.amazonaws.com.cn/a%20b/c?'],
  [{ S3_PATH_STYLE: 'true' }, 'https://s3.us-east-1.amazonaws.com/files/a%20b/c?'],
  [{ S3_BUCKET: 'a.b' }, 'https://s3.us-east-1.amazonaws.com/a.b/a%20b/c?'],
  [{ S3_ENDPOINT: 'http://[::1]:9000' }, 'http://[::1]:9000/files/a%20b/c?'],
  [{ S3_ENDPOINT: 'https://s3.test:8443', S3_PATH_STYLE: 'no' }, 'https://files.s3.test:8443/a%20b/c?'],
])('with %o URLs start with %s', async (more, start) => {
  const storage = createStorage({ env: { ...without('S3_ENDPOINT'), ...more } });
  const read = await storage.signedUrl('a b/c', { expiresIn: '1h' });
  const { url } = await storage.signedUpload('a b/c', {
    expiresIn: '1h',
    maxBytes: 1,
    types: ['a/b'],
    size: 1,
    type: 'a/b',
  });
  expect([read, url].map((one) => one.slice(0, start.length))).toEqual([start, start]);
  await storage.close();
});

test('URLs are signed for up to seven days, and carry the session', async () => {
  const clock = { now: () => 1_750_000_000_999, after: () => () => undefined };
  const storage = createStorage({ clock, env: { ...whole, S3_SESSION_TOKEN: 'a+token/=' } });
  const limits = { maxBytes: 9, types: ['a/b'], size: 9, type: 'a/b' };
  const urls = [
    await storage.signedUrl('k', { expiresIn: '7d' }),
    (await storage.signedUpload('k', { expiresIn: '7d', ...limits })).url,
  ].map((url) => new URL(url).searchParams);
  expect(urls.map((query) => query.get('X-Amz-Expires'))).toEqual(['604800', '604800']);
  expect(urls.map((query) => query.get('X-Amz-Security-Token'))).toEqual(['a+token/=', 'a+token/=']);
  const short = new URL(await storage.signedUrl('k', { expiresIn: '1s' })).searchParams;
  expect(Number(short.get('X-Amz-Expires'))).toBeLessThanOrEqual(2);
  await storage.close();
});

test('an upload that a store could not hold to its limits is not signed', async () => {
  const storage = createStorage({ env: whole });
  const limits = { expiresIn: '1m', maxBytes: 10, types: ['a/b'] } as const;
  for (const part of [{}, { size: 5 }, { type: 'a/b' }])
    await expect(storage.signedUpload('k', { ...limits, ...part })).rejects.toMatchObject({
      code: 'E_STORAGE_OPTION',
    });
  await storage.close();
});

test('its handler has nothing to answer', async () => {
  const storage = createStorage({ env: whole });
  const response = await storage.handler()(new Request('http://localhost/storage/k?X-Amz-Signature=x'));
  expect([response.status, await response.json()]).toMatchObject([404, { code: 'E_STORAGE_NOT_FOUND' }]);
  await storage.close();
});
