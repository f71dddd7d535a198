// The demo in a real browser, as a newcomer uses it.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isInfraError } from '@vibeonrails/infra/core';
import { createRealtimeServer } from '@vibeonrails/infra/realtime';
import { environmentOf } from '@vibeonrails/services';
import { describeWith } from '@vibeonrails/services/vitest';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Demo, startDemo } from './start-demo.ts';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGP4z8CABzGMSjNgCwAZsGOdwYn2uAAAAABJRU5ErkJggg==',
  'base64',
);
const STEPS = ['received', 'stored', 'enqueued', 'working', 'e-mailed'];

/** Where the pictures of the page go; ignored by git. */
const SCREENSHOTS = fileURLToPath(new URL('../.screenshots', import.meta.url));

/** What axe finds wrong with the page as it is, one line each. The e-mail's frame is a document of its own. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate('axe.run({ exclude: [["iframe"]] })');
  return (found as { violations: { id: string; nodes: { html: string }[] }[] }).violations.flatMap(
    ({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`),
  );
}

/** The same walk whatever the demo runs on. */
function walk(title: string, folder: string, engines: readonly string[], start: () => Promise<Demo>): void {
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
      expect(await page.locator('#steps li[data-trace]').count()).toBe(0);
      expect(await violations(page)).toEqual([]);
    });

    test('a sign-up shows each step as it happens, all under one trace', async () => {
      await page.fill('#email', 'ada@example.com');
      await page.click('button');
      await page.waitForSelector('#steps li[data-step="e-mailed"][data-trace]');
      const steps = page.locator('#steps li[data-trace]');
      expect(await steps.evaluateAll((items) => items.map((item) => item.dataset.step))).toEqual(STEPS);
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

    test('each step has the code behind it, in ten lines or so', async () => {
      const codes = await page
        .locator('details[data-code]')
        .evaluateAll((all) => all.map((one) => one.querySelector('pre').textContent));
      expect(codes.length).toBe(10);
      for (const code of codes) expect(code.split('\n').length).toBeLessThanOrEqual(14);
      const calls = [
        'z.object',
        'storage.put',
        'enqueue(',
        'defineJob',
        'sendEmail(',
        'publish(',
        'signedUrl',
      ];
      calls.push('cache.getOrSet', 'boot(', 'defineCron');
      for (const call of calls) expect(codes.join('\n')).toContain(call);
      await page.locator('[data-step="stored"] summary').click();
      await page.locator('[data-step="stored"] pre').waitFor({ state: 'visible' });
    });

    test('the page says what it runs on, and what to type to change that', async () => {
      const rows = await page.locator('#engines tbody tr').allTextContents();
      expect(rows).toEqual(engines);
    });

    test('totals, health, the cron and the metrics are shown', async () => {
      await expect.poll(() => page.textContent('#people')).toMatch(/^1 /);
      expect(await page.textContent('#health')).toContain('queue ok');
      expect(await page.textContent('#crons')).toMatch(/nightly-count runs next .*\d/);
      expect(await page.textContent('#metrics')).toContain('sign_ups_total1');
    });

    test.each([
      ['light', { colorScheme: 'light' }, { width: 1280, height: 900 }],
      ['dark', { colorScheme: 'dark' }, { width: 1280, height: 900 }],
      ['phone', { colorScheme: 'light' }, { width: 390, height: 844 }],
      ['phone-dark', { colorScheme: 'dark' }, { width: 390, height: 844 }],
    ] as const)('%s: readable, and axe finds nothing', async (name, media, size) => {
      await page.emulateMedia(media);
      await page.setViewportSize(size);
      expect(await violations(page)).toEqual([]);
      const wider = 'document.documentElement.scrollWidth > document.documentElement.clientWidth';
      expect(await page.evaluate(wider)).toBe(false);
      mkdirSync(SCREENSHOTS, { recursive: true });
      // All of it in view: the e-mail's frame is painted only there.
      const height = Number(await page.evaluate('document.documentElement.scrollHeight'));
      await page.setViewportSize({ ...size, height });
      await page.screenshot({ path: `${SCREENSHOTS}/${folder}-${name}.png`, fullPage: true });
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
      expect(new Set(lines.map(({ step }) => step)).size).toBeGreaterThan(4);
      expect(new Set(lines.map(({ trace_id }) => trace_id)).size).toBe(1);
      expect(lines[0].trace_id).toMatch(/^[0-9a-f]{32}$/);
    });
  });
}

walk(
  'the demo in a browser',
  'embedded',
  [
    'queuememorynpm run demo -- --redis',
    'cachememorynpm run demo -- --redis',
    'realtimememorynpm run demo -- --redis',
    'storagefsnpm run demo -- --s3',
    'e-mailoutboxSMTP_URL=smtp://… npm run demo',
    'WebSocketswsnpm run demo -- --uws',
  ],
  () => startDemo(),
);

/** uWebSockets.js is a binary for some versions of Node.js; on others the demo runs on the engine in JavaScript. */
const uws = await runsOnUws();
const engineTitle = uws ? 'uWebSockets.js' : `ws: uWebSockets.js does not run on ${process.version}`;

async function runsOnUws(): Promise<boolean> {
  const server = createRealtimeServer({ engine: 'uws', port: 0 });
  try {
    await server.listen();
    return true;
  } catch (error) {
    if (isInfraError(error, 'E_REALTIME_ENGINE')) return false;
    throw error;
  } finally {
    await server.close();
  }
}

describeWith('redis', `on engines: two web processes and a worker, WebSockets by ${engineTitle}`, (redis) => {
  describeWith('s3', 'and an S3 store', (s3) => {
    // Their addresses are in the environment, so the demo starts none of its own.
    const env = () => ({ ...environmentOf(redis()), ...environmentOf(s3()) });
    walk(
      'the demo in a browser',
      'engines',
      [
        'queuebullmqnpm run demo',
        'cacheredisnpm run demo',
        'realtimeredisnpm run demo',
        'storages3npm run demo',
        'e-mailoutboxSMTP_URL=smtp://… npm run demo',
        uws ? 'WebSocketsuwsnpm run demo' : 'WebSocketswsnpm run demo -- --uws',
      ],
      () => startDemo(['--redis', '--s3', ...(uws ? ['--uws'] : [])], env()),
    );
  });
});
