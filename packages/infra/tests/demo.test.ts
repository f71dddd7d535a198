// The demo as a newcomer meets it: started as a process, used in a real browser, stopped with Ctrl-C.
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Demo, startDemo } from './start-demo.ts';

describe('the demo', () => {
  let demo: Demo;
  beforeAll(async () => {
    demo = await startDemo();
  });
  afterAll(() => {
    demo.child.kill('SIGKILL');
  });

  test('answers bad input with what is wrong, field by field, and keeps running', async () => {
    const post = (body: FormData | string, headers = {}) =>
      fetch(`${demo.url}/sign-up`, { method: 'POST', body, headers });
    const fields = new FormData();
    fields.set('name', ' ');
    fields.set('email', 'nobody');
    fields.set('avatar', new File(['<svg onload=alert(1)>'], 'me.png', { type: 'image/png' }));
    const answer = await post(fields);
    expect(answer.status).toBe(422);
    expect(await answer.json()).toEqual({
      problems: {
        name: 'Tell us your name.',
        email: 'This is not an e-mail address.',
        avatar: 'Choose a PNG, JPEG, GIF or WebP picture.',
      },
    });
    expect((await post('{}', { 'content-type': 'application/json' })).status).toBe(422);
    expect((await post('x'.repeat(2_000_000), { 'content-type': 'multipart/form-data' })).status).toBe(422);
    expect((await fetch(`${demo.url}/people/nobody`)).status).toBe(404);
    expect((await fetch(`${demo.url}/nothing`)).status).toBe(404);
    expect((await fetch(demo.url)).status).toBe(200);
  });

  test('serves health and metrics beside it', async () => {
    const ops = /Health and metrics at +(http\S+)\/health/.exec(demo.output())?.[1];
    for (const path of ['/livez', '/readyz', '/startupz', '/health'])
      expect((await fetch(ops + path)).status).toBe(200);
    const health = (await (await fetch(`${ops}/health`)).json()) as { checks: { name: string }[] };
    expect(health.checks.map(({ name }) => name).sort()).toEqual([
      'cache',
      'email',
      'queue',
      'realtime',
      'storage',
    ]);
    expect(await (await fetch(`${ops}/metrics`)).text()).toContain('# TYPE');
  });

  test('Ctrl-C drains, says what it drained, and ends with 0', async () => {
    const fields = new FormData();
    fields.set('name', 'Ada');
    fields.set('email', 'ada@example.com');
    fields.set('avatar', new File([Uint8Array.of(0x89, 0x50, 0x4e, 0x47)], 'me.png', { type: 'image/png' }));
    expect((await fetch(`${demo.url}/sign-up`, { method: 'POST', body: fields })).status).toBe(201);
    demo.child.kill('SIGINT');
    const [code] = await once(demo.child, 'exit');
    expect(demo.output()).toMatch(/Drained and stopped in \d+ ms:\n {2}queue worker: {"drained":\d+/);
    expect(code).toBe(0);
  });
});
