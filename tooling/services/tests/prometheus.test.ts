import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { describeWith } from '../src/vitest.ts';

const patience = { timeout: 30_000, interval: 100 };

async function serveText(text: string, token?: string): Promise<string> {
  const server = createServer((request, response) => {
    const isAllowed = token === undefined || request.headers.authorization === `Bearer ${token}`;
    response.writeHead(isAllowed ? 200 : 401, { 'content-type': 'text/plain; version=0.0.4' }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
}

describeWith('prometheus', 'a Prometheus', (prometheus) => {
  test('scrapes what it is pointed at, with a token, and answers queries', async () => {
    await prometheus().scrape(await serveText('jobs_total{queue="mail"} 3\n', 'secret'), { token: 'secret' });
    await vi.waitFor(async () => {
      expect(await prometheus().query('jobs_total')).toMatchObject([{ metric: { queue: 'mail' }, value: 3 }]);
    }, patience);
    expect(await prometheus().target()).toMatchObject({ health: 'up', lastError: '' });
  });

  test('says why a scrape failed', async () => {
    await prometheus().scrape(await serveText('not { metrics\n'));
    await vi.waitFor(async () => {
      const target = await prometheus().target();
      expect(target?.health).toBe('down');
      expect(target?.lastError).not.toBe('');
    }, patience);
  });

  test('its promtool tells good metrics from bad ones', async () => {
    const good = '# HELP jobs_total Jobs.\n# TYPE jobs_total counter\njobs_total 1\n';
    expect(await prometheus().check(good)).toEqual({ code: 0, output: '' });
    expect((await prometheus().check('jobs_total{ 1\n')).code).not.toBe(0);
  });
});
