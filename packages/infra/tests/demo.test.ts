// The demo as a newcomer meets it: started as a process, used in a real browser, stopped with Ctrl-C.
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { environmentOf } from '@vibeonrails/services';
import { describeWith } from '@vibeonrails/services/vitest';
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

describeWith('redis', 'the demo on a Redis of its own', { own: true }, (redis) => {
  /** The names of the connections that the server has. */
  const connections = async (): Promise<string[]> => {
    const { hostname, port } = new URL(redis().url);
    const socket = connect(Number(port), hostname);
    socket.write('CLIENT LIST\r\nQUIT\r\n');
    return Array.from((await text(socket)).matchAll(/ name=(\S+)/g), ([, name = '']) => name);
  };

  test.each([
    ['in one process', []],
    ['in processes of their own', ['--redis']],
  ])(
    '%s, the thread that renews the locks of jobs runs from its source',
    { timeout: 60_000 },
    async (_, args) => {
      const demo = await startDemo(args, environmentOf(redis()));
      try {
        const poll = { timeout: 30_000, interval: 100 };
        await expect
          .poll(async () => `${(await connections()).join(' ')}\n${demo.output()}`, poll)
          .toMatch(/infra-queue-locks|thread that renews/);
        expect(demo.output()).not.toContain('thread that renews the locks of jobs is not there');
        expect(await connections()).toContain('infra-queue-locks');
      } finally {
        demo.child.kill('SIGINT');
        await once(demo.child, 'exit');
      }
      // The next one asks the same server.
      await expect.poll(connections, { timeout: 10_000 }).not.toContain('infra-queue-locks');
    },
  );
});
