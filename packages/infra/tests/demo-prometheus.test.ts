// What the demo says of itself, read by a real Prometheus, and the trace of one sign-up from the request to the e-mail.
import { describeWith } from '@vibeonrails/services/vitest';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Demo, startDemo } from './start-demo.ts';

const patience = { timeout: 30_000, interval: 200 };
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

interface TraceLine {
  readonly name: string;
  readonly depth: number;
}

describeWith('prometheus', 'a real Prometheus that scrapes the demo', (prometheus) => {
  let demo: Demo;
  let metrics: string;
  let id: string;
  beforeAll(async () => {
    demo = await startDemo();
    metrics = `${/Health and metrics at +(http\S+)\/health/.exec(demo.output())?.[1]}/metrics`;
    const fields = new FormData();
    fields.set('name', 'Ada');
    fields.set('email', 'ada@example.com');
    fields.set('avatar', new File([Buffer.from(PIXEL, 'base64')], 'me.png', { type: 'image/png' }));
    const answer = await fetch(`${demo.url}/sign-up`, { method: 'POST', body: fields });
    expect(answer.status).toBe(201);
    ({ id } = (await answer.json()) as { id: string });
  });
  afterAll(() => void demo.child.kill('SIGKILL'));

  test('stores what the application counted, and what was recorded of every module and the process', async () => {
    await prometheus().scrape(metrics);
    const value = async (expression: string): Promise<number | undefined> =>
      (await prometheus().query(expression))[0]?.value;
    await vi.waitFor(async () => {
      expect(await value('sign_ups_total')).toBe(1);
      expect(await value('http_server_request_duration_seconds_count{http_route="/sign-up"}')).toBe(1);
      for (const [module, operation] of [
        ['queue', 'enqueue'],
        ['queue', 'process'],
        ['email', 'send'],
        ['storage', 'put'],
        ['realtime', 'publish'],
        ['cache', 'set'],
      ]) {
        const series = `${module}_operation_duration_seconds_count{operation="${operation}",outcome="ok"}`;
        expect(await value(series), series).toBeGreaterThan(0);
      }
      expect(await value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
      expect(await prometheus().target()).toMatchObject({ health: 'up', lastError: '' });
    }, patience);
  });

  test('is told nothing that its promtool objects to, nor anything that was dropped or cleaned', async () => {
    const scrape = await (await fetch(metrics)).text();
    // Whether an application explains its own counters is up to it.
    const { output } = await prometheus().check(scrape);
    expect(output.split('\n').filter((line) => line !== '' && !line.endsWith('no help text'))).toEqual([]);
    expect(scrape).not.toMatch(/^monitoring_(dropped|cleaned)_total/m);
  });

  test('shows one trace: request, enqueue, job and e-mail, each below the one before', async () => {
    const trace = await vi.waitFor(async () => {
      const person = (await (await fetch(`${demo.url}/people/${id}`)).json()) as { trace: TraceLine[] };
      expect(person.trace.map(({ name }) => name)).toContain('email.send welcome');
      return person.trace;
    }, patience);
    const depthOf = (name: string): number | undefined => trace.find((line) => line.name === name)?.depth;
    const chain = ['POST /sign-up', 'queue.enqueue welcome', 'queue.process welcome', 'email.send welcome'];
    expect(chain.map(depthOf)).toEqual([0, 1, 2, 3]);
  });
});
