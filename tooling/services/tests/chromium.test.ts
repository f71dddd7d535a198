import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith } from '../src/vitest.ts';

async function servePage(html: string): Promise<string> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8').end(html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

describeWith('chromium', 'a browser', (found) => {
  test('renders a page and runs its script', async () => {
    const { executablePath, args } = found();
    const browser = await chromium.launch({ executablePath, args: [...args] });
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    await page.goto(await servePage('<button onclick="this.textContent = 6 * 7">?</button>'));
    await page.click('button');
    expect(await page.textContent('button')).toBe('42');
    expect((await page.screenshot()).length).toBeGreaterThan(1_000);
  });
});
