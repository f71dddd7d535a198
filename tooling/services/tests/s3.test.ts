import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Client } from 'minio';
import { expect, test } from 'vitest';
import { type RunningS3, service } from '../src/index.ts';
import { describeWith } from '../src/vitest.ts';

function clientOf({ endpoint, region, accessKeyId, secretAccessKey }: RunningS3): Client {
  const { hostname, port, protocol } = new URL(endpoint);
  return new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: protocol === 'https:',
    region,
    accessKey: accessKeyId,
    secretKey: secretAccessKey,
    pathStyle: true,
  });
}

async function read(client: Client, bucket: string, key: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of await client.getObject(bucket, key)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describeWith('s3', 'an S3 server', { own: true }, (s3) => {
  test('gives back what was put', async () => {
    const client = clientOf(s3());
    await client.makeBucket('round-trip');
    const body = Buffer.alloc(6 * 1024 * 1024, 'grün ✓ ');
    await client.putObject('round-trip', 'a/key with spaces.bin', body);
    expect((await read(client, 'round-trip', 'a/key with spaces.bin')).equals(body)).toBe(true);
  });

  test('refuses a wrong secret', async () => {
    const client = clientOf({ ...s3(), secretAccessKey: 'wrong' });
    await expect(client.listBuckets()).rejects.toMatchObject({ code: 'SignatureDoesNotMatch' });
  });

  test('keeps its objects when the gateway is killed and comes back', async () => {
    const client = clientOf(s3());
    await client.makeBucket('survives');
    await client.putObject('survives', 'key', 'value');
    await s3().kill();
    await expect(client.listBuckets()).rejects.toThrow();
    await s3().restart();
    expect((await read(client, 'survives', 'key')).toString()).toBe('value');
  });

  test('starts beside another one, and ends with every process and its folder', async () => {
    const found = await service('s3', { own: true });
    if (!found.available) throw new Error(found.reason);
    const second = await found.start();
    const dir = second.dir ?? '';
    expect(daemonsOf(dir)).toBe(3);
    await second.stop();
    expect(daemonsOf(dir)).toBe(0);
    expect(existsSync(dir)).toBe(false);
    expect(await clientOf(s3()).listBuckets()).toBeInstanceOf(Array);
  });
});

function daemonsOf(dir: string): number {
  const processes = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n');
  return processes.filter((one) => /^\S*(ceph-mon|ceph-osd|radosgw) /.test(one) && one.includes(dir)).length;
}
