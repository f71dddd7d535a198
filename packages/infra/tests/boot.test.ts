import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished, test } from 'vitest';

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const flags = ['--import', tsx, '--conditions', '@vibeonrails/infra-source'];
interface Application {
  child: ChildProcess;
  output: () => string;
  /** Resolves with what the program printed after this word on a line of its own. */
  said: (word: string) => Promise<string>;
  ended: Promise<number | string>;
}

/** Runs a program that boots, in a process of its own: boot() is about the process. */
async function run(code: string, env: Record<string, string> = {}): Promise<Application> {
  const { NODE_ENV: _, ...inherited } = process.env;
  const program = `import { boot } from '@vibeonrails/infra';\n${code}`;
  const child = spawn(process.execPath, [...flags, '--input-type=module', '--eval', program], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...inherited, OPS_PORT: '0', ...env },
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal);
  const said = async (word: string): Promise<string> => {
    for (;;) {
      const found = new RegExp(`^${word} (.*)$`, 'm').exec(text)?.[1];
      if (found !== undefined) return found;
      if (child.exitCode !== null)
        throw new Error(`ended with ${child.exitCode} before it said ${word}:\n${text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { child, output: () => text, said, ended };
}

const BOOT = "const app = await boot({ service: 'shop' });\nconsole.log('at', app.url);\n";

describe('an application that boots', () => {
  it('serves health and metrics, logs that it is ready, and shuts down in order on SIGTERM', async () => {
    const app = await run(`
      import { cache } from '@vibeonrails/infra/cache';
      import { onShutdown } from '@vibeonrails/infra/core';
      onShutdown('server', () => console.log('stopped server'), { phase: 'stop' });
      onShutdown('work', () => console.log('drained work'), { phase: 'drain' });
      ${BOOT}
      await cache.set('k', 1, '1m');`);
    const url = await app.said('at');
    for (const path of ['/livez', '/readyz', '/startupz']) expect((await fetch(url + path)).status).toBe(200);
    const health = (await (await fetch(`${url}/health`)).json()) as { checks: unknown[] };
    expect(health.checks).toMatchObject([{ name: 'cache', status: 'ok' }]);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain(
      'cache_operation_duration_seconds_count{driver="memory",operation="set",outcome="ok"}',
    );
    expect(metrics).toContain('process_resident_memory_bytes ');
    expect(await (await fetch(url)).text()).toContain('/readyz');
    expect((await fetch(`${url}/other`)).status).toBe(404);
    app.child.kill('SIGTERM');
    expect(await app.ended).toBe(0);
    expect(app.output().indexOf('drained work')).toBeLessThan(app.output().indexOf('stopped server'));
    const ready = app
      .output()
      .split('\n')
      .find((line) => line.includes('"msg":"ready"'));
    expect(JSON.parse(ready ?? '{}')).toMatchObject({ service: 'shop', ops: url });
  });

  it('loads no module that it did not import, but health and monitoring', async () => {
    const app = await run(`
      import { modulesInUse } from '@vibeonrails/infra/core';
      const app = await boot();
      console.log('modules', modulesInUse().map((m) => m.module).sort().join());
      await app.stop();`);
    expect(await app.said('modules')).toBe('health,monitoring');
    expect(await app.ended).toBe(0);
  });

  it('watches a module that is loaded later', async () => {
    const app = await run(`${BOOT}
      const { cache } = await import('@vibeonrails/infra/cache');
      console.log('then', cache.driver);`);
    const url = await app.said('at');
    await app.said('then');
    const health = (await (await fetch(`${url}/health`)).json()) as { checks: unknown[] };
    expect(health.checks).toMatchObject([{ name: 'cache' }]);
  });

  it("leaves a health check of the application's own alone", async () => {
    const app = await run(`
      import '@vibeonrails/infra/cache';
      import { registerHealthCheck } from '@vibeonrails/infra/health';
      registerHealthCheck('cache', () => ({ status: 'degraded', message: 'mine' }));
      ${BOOT}`);
    const health = (await (await fetch(`${await app.said('at')}/health`)).json()) as { checks: unknown[] };
    expect(health.checks).toMatchObject([{ name: 'cache', message: 'mine' }]);
  });

  it('stays ready on a cache that fails, and says that it is degraded', async () => {
    const app = await run(`
      import { cache } from '@vibeonrails/infra/cache';
      ${BOOT}
      await cache.close();
      console.log('closed', true);`);
    const url = await app.said('at');
    await app.said('closed');
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: 'degraded' });
  });

  it('answers probes while it drains: alive, not ready', async () => {
    const app = await run(`
      import { onShutdown } from '@vibeonrails/infra/core';
      onShutdown('slow', () => new Promise((resolve) => {
        console.log('draining now');
        setTimeout(resolve, 1500);
      }), { phase: 'drain' });
      ${BOOT}`);
    const url = await app.said('at');
    app.child.kill('SIGTERM');
    await app.said('draining');
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    expect(await app.ended).toBe(0);
  });

  it('hides details and metrics from those without the token', async () => {
    const token = 'a-token-of-24-characters';
    const app = await run(`import '@vibeonrails/infra/cache';\n${BOOT}`, { OPS_TOKEN: token });
    const url = await app.said('at');
    const authorized = { headers: { authorization: `Bearer ${token}` } };
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    expect((await fetch(`${url}/metrics`, authorized)).status).toBe(200);
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: 'ok' });
    expect(await (await fetch(`${url}/health`, authorized)).json()).toHaveProperty('checks');
    expect(app.output()).not.toContain(token);
  });

  it('serves nothing with opsPort: false, and gives the handler to mount', async () => {
    const app = await run(`
      const app = await boot({ opsPort: false });
      console.log('answer', app.url, (await app.ops(new Request('http://localhost/livez'))).status);
      await app.stop();`);
    expect(await app.said('answer')).toBe('undefined 200');
  });
});

describe('an application that cannot start', () => {
  const attempt =
    "await boot().catch((e) => { console.log('code', e.code); console.log('message', e.message.replaceAll('\\n', ' ')); process.exit(3); });";

  it('gets the error of the one module that refuses', async () => {
    const app = await run(`import '@vibeonrails/infra/queue';\n${attempt}`, { NODE_ENV: 'production' });
    expect(await app.said('code')).toBe('E_QUEUE_DRIVER_REQUIRED');
    expect(await app.said('message')).toContain('QUEUE_DRIVER=memory');
    expect(await app.ended).toBe(3);
  });

  it('is not kept alive by what did start', async () => {
    const app = await run(
      `import '@vibeonrails/infra/cache'; import '@vibeonrails/infra/storage';
       await boot().catch((e) => console.log('code', e.code));`,
      // A Redis that is away: its connection would try again for ever.
      { NODE_ENV: 'production', CACHE_REDIS_URL: 'redis://127.0.0.1:1' },
    );
    expect(await app.said('code')).toBe('E_BOOT');
    expect(await app.ended).toBe(0);
  });

  it('gets one error that names every module that refuses', async () => {
    const app = await run(
      `import '@vibeonrails/infra/queue'; import '@vibeonrails/infra/email'; import '@vibeonrails/infra/storage';\n${attempt}`,
      { NODE_ENV: 'production' },
    );
    expect(await app.said('code')).toBe('E_BOOT');
    const message = await app.said('message');
    for (const part of [
      'queue: ',
      'email: ',
      'storage: ',
      'QUEUE_DRIVER=memory',
      'EMAIL_DRIVER=outbox',
      'STORAGE_DRIVER=fs',
    ])
      expect(message).toContain(part);
  });

  it('is told every variable that is wrong, of all packages, without the values', async () => {
    const env = { OPS_PORT: 'nine', OPS_TOKEN: 'short', CACHE_MAX_BYTES: 'much' };
    const app = await run(`import '@vibeonrails/infra/cache';\n${attempt}`, env);
    expect(await app.said('code')).toBe('E_CONFIG');
    const message = await app.said('message');
    expect(message).toContain('OPS_PORT');
    expect(message).toContain('OPS_TOKEN');
    expect(message).toContain('CACHE_MAX_BYTES (@vibeonrails/infra-cache)');
    expect(message).not.toContain('nine');
    expect(message).not.toContain('much');
    expect(message).not.toContain('short');
  });

  it('is told that the port is taken when it asked for that one', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => {
      other.close();
    });
    const app = await run(attempt, { OPS_PORT: String((other.address() as AddressInfo).port) });
    expect(await app.said('code')).toBe('E_LISTEN');
  });
});

test('a second application finds another port when nobody asked for one', async () => {
  const [one, two] = [await run(BOOT, { OPS_PORT: '' }), await run(BOOT, { OPS_PORT: '' })];
  expect(await one.said('at')).not.toBe(await two.said('at'));
});
