// The demo in a real browser, as a newcomer uses it.
import { environmentOf } from '@vibeonrails/services';
import { describeWith } from '@vibeonrails/services/vitest';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Demo, startDemo } from './start-demo.ts';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGP4z8CABzGMSjNgCwAZsGOdwYn2uAAAAABJRU5ErkJggg==',
  'base64',
);
const STEPS = ['received', 'stored', 'enqueued', 'working', 'e-mailed'];

/** The same walk whatever the demo runs on. */
function walk(title: string, start: () => Promise<Demo>): void {
  describeWith('chromium', title, (found) => {
    let demo: Demo;
    let browser: Browser;
    let page: Page;
    const problems: string[] = [];
    beforeAll(async () => {
      demo = await start();
      const { executablePath, args } = found();
      browser = await chromium.launch({ executablePath, args: [...args] });
      page = await browser.newPage();
      page.on('pageerror', (error) => problems.push(error.message));
      page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
      await page.goto(demo.url);
    });
    afterAll(async () => {
      await browser?.close();
      demo?.child.kill('SIGKILL');
    });

    test('the live feed connects', async () => {
      await page.waitForSelector('#live[data-state="connected"]');
    });

    test('a mistake is shown beside its field, and the field gets the focus', async () => {
      await page.fill('#name', 'Ada Lovelace');
      await page.fill('#email', 'not an address');
      await page.setInputFiles('#avatar', { name: 'me.png', mimeType: 'image/png', buffer: PNG });
      await page.click('button');
      await expect.poll(() => page.textContent('#email-problem')).toBe('This is not an e-mail address.');
      expect(await page.evaluate('document.activeElement.id')).toBe('email');
      expect(await page.locator('#steps li').count()).toBe(0);
    });

    test('a sign-up shows each step as it happens, all under one trace', async () => {
      await page.fill('#email', 'ada@example.com');
      await page.click('button');
      await page.waitForSelector('#steps li[data-step="e-mailed"]');
      const steps = page.locator('#steps li');
      expect(await steps.evaluateAll((items) => items.map((item) => item.dataset.step))).toSatisfy(
        (seen: string[]) => STEPS.every((step) => seen.includes(step)) && seen.length === STEPS.length,
      );
      const traces = await steps.evaluateAll((items) => items.map((item) => item.dataset.trace));
      expect(new Set(traces).size).toBe(1);
      expect(traces[0]).toMatch(/^[0-9a-f]{32}$/);
    });

    test('what came of it is there: avatar, e-mail, trace, log lines', async () => {
      await page.waitForSelector('#result:not([hidden])');
      await expect.poll(() => page.locator('#avatar-image').evaluate((image) => image.naturalWidth)).toBe(10);
      expect(await page.getAttribute('#avatar-image', 'src')).toMatch(/signature/i);
      const email = page.frameLocator('#email-frame').locator('body');
      expect(await email.textContent()).toContain('Ada Lovelace');
      // A worker of another process tells its part a moment later.
      await expect.poll(() => page.textContent('#trace-tree'), { timeout: 5000 }).toContain('queue.process');
      const traceId = await page.locator('#steps li').first().getAttribute('data-trace');
      const log = (await page.textContent('#log-lines'))?.split('\n') ?? [];
      expect(log.length).toBeGreaterThanOrEqual(STEPS.length);
      for (const line of log) expect(line).toContain(traceId);
      const tree = (await page.textContent('#trace-tree')) ?? '';
      const order = ['POST /sign-up', 'enqueue', 'process', 'email.send'].map((name) => tree.indexOf(name));
      expect(order.every((at) => at >= 0)).toBe(true);
      expect([...order].sort((a, b) => a - b)).toEqual(order);
    });

    test('totals, health, the cron and the metrics are shown', async () => {
      await expect.poll(() => page.textContent('#people')).toMatch(/^1 /);
      expect(await page.textContent('#health')).toContain('queue ok');
      expect(await page.textContent('#crons')).toContain('nightly-count');
      expect(await page.textContent('#metrics')).toContain('sign_ups_total 1');
    });

    test('nothing went wrong in the page', () => {
      expect(problems.filter((text) => !text.includes('422'))).toEqual([]);
    });

    test('the log line of each step carries the trace id', async () => {
      const lines = demo
        .output()
        .split('\n')
        .filter((line) => line.includes('"step"'))
        .map((line) => JSON.parse(line));
      for (const line of lines) expect(line.trace_id).toMatch(/^[0-9a-f]{32}$/);
    });
  });
}

walk('the demo in a browser', () => startDemo());

describeWith('redis', 'on engines: two web processes and a worker', (redis) => {
  describeWith('s3', 'and an S3 store', (s3) => {
    // Their addresses are in the environment, so the demo starts none of its own.
    const env = () => ({ ...environmentOf(redis()), ...environmentOf(s3()) });
    walk('the demo in a browser', () => startDemo(['--redis', '--s3', '--uws'], env()));
  });
});
