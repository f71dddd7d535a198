import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { run, temporaryFolder } from './child.ts';

const lines = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

test.each([
  ['a blocking pipe', ''],
  ['a pipe that does not block', 'process.stdout.write("");'],
])(
  '5,000 lines into %s with a slow reader all arrive, though the process exits at once',
  async (_, before) => {
    const child = run(
      `
    import { logger } from '@vibeonrails/infra-core/logging';
    ${before}
    process.on('exit', () => logger.info('from the exit handler'));
    for (let i = 0; i < 5000; i += 1) logger.info({ i, filler: 'x'.repeat(80) }, 'line');
    process.exit(0);
  `,
      { unread: true },
    );
    let text = '';
    const stdout = child.process.stdout!.setEncoding('utf8');
    await sleep(300);
    for await (const chunk of stdout) {
      text += chunk;
      await sleep(1);
    }
    const seen = lines(text);
    expect(seen).toHaveLength(5001);
    expect(seen.slice(0, 5000).every((line, i) => line.i === i)).toBe(true);
    expect(seen.at(-1)?.msg).toBe('from the exit handler');
  },
);

test('a line is out the moment it is logged: a killed process loses none', async () => {
  const child = run(`
    import { logger } from '@vibeonrails/infra-core/logging';
    for (let i = 0; i < 100; i += 1) logger.info({ i }, 'line');
    process.kill(process.pid, 'SIGKILL');
    for (;;);
  `);
  expect(await child.ended).toBe('SIGKILL');
  expect(child.lines()).toHaveLength(100);
});

test('a reader that goes away does not crash the program', async () => {
  const child = run(
    `
    import { logger } from '@vibeonrails/infra-core/logging';
    for (let i = 0; i < 20000; i += 1) logger.info({ i }, 'line');
    console.error('done');
  `,
    { unread: true },
  );
  child.process.stdout!.once('data', () => child.process.stdout!.destroy());
  expect(await child.ended).toBe(0);
  expect(child.stderr()).toBe('done\n');
});

test('importing logging reads no environment, opens nothing and writes nothing until the first line', async () => {
  const child = run(
    `
    import { readdirSync } from 'node:fs';
    const read = [];
    process.env = new Proxy(process.env, { get: (env, name) => (read.push(name), env[name]) });
    const before = readdirSync('/proc/self/fd').length;
    const { logger } = await import('@vibeonrails/infra-core/logging');
    const child = logger.child({ part: 1 });
    const ours = () => read.filter((name) => /^(LOG_|SERVICE|OTEL|NODE_ENV)/.test(String(name)));
    console.error(JSON.stringify({ read: ours(), opened: readdirSync('/proc/self/fd').length > before }));
    child.info('first');
    console.error(JSON.stringify({ read: ours().length > 0 }));
  `,
  );
  expect(await child.ended).toBe(0);
  expect(lines(child.stderr())).toEqual([{ read: [], opened: false }, { read: true }]);
  expect(child.lines()).toEqual([expect.objectContaining({ msg: 'first', part: 1 })]);
});

test('a wrong LOG_LEVEL is an E_CONFIG at the first line, naming the levels', async () => {
  const child = run(
    `import { logger } from '@vibeonrails/infra-core/logging';
     try { logger.info('x'); } catch (error) { console.log(JSON.stringify({ code: error.code, message: error.message })); }`,
    { env: { LOG_LEVEL: 'chatty' } },
  );
  expect(await child.ended).toBe(0);
  expect(child.lines()[0]).toMatchObject({
    code: 'E_CONFIG',
    message: expect.stringContaining(
      'LOG_LEVEL (@vibeonrails/infra-core) is not valid: expected one of fatal',
    ),
  });
});

test('until logging is loaded the facade writes warnings to stderr as JSON, redacted, and drops the rest', async () => {
  const child = run(`
    import { logger, runWithContext } from '@vibeonrails/infra-core';
    const log = logger.child({ module: 'cache', apiKey: 'hunter2' });
    log.info('dropped');
    log.debug({ a: 1 }, 'dropped');
    log.warn({ a: 1, password: 'hunter2' }, 'kept');
    runWithContext({ requestId: 'r-1' }, () => log.error({ err: Object.assign(new Error('boom'), { code: 'E_X', token: 'hunter2' }) }));
    log.fatal('plain');
    log.error(new TypeError('bare'));
    const circle = {}; circle.self = circle;
    log.warn({ circle }, 'circular');
    log.warn({ big: 1n }, 'bigint');
    console.log(log.isLevelEnabled('info'), log.isLevelEnabled('warn'));
    log.flush();
  `);
  expect(await child.ended).toBe(0);
  expect(child.stdout()).toBe('false true\n');
  expect(child.stderr()).not.toContain('hunter2');
  expect(lines(child.stderr())).toEqual([
    expect.objectContaining({ level: 40, time: expect.any(Number), module: 'cache', a: 1, msg: 'kept' }),
    expect.objectContaining({
      level: 50,
      request_id: 'r-1',
      err: expect.objectContaining({ type: 'Error', message: 'boom', code: 'E_X', token: '[redacted]' }),
    }),
    expect.objectContaining({ level: 60, msg: 'plain' }),
    expect.objectContaining({ err: expect.objectContaining({ type: 'TypeError', message: 'bare' }) }),
    expect.objectContaining({ level: 40, msg: 'circular' }),
    expect.objectContaining({ level: 40, msg: 'bigint' }),
  ]);
});

test('a facade made before logging is loaded writes through pino after', async () => {
  const child = run(`
    import { logger } from '@vibeonrails/infra-core';
    const log = logger.child({ module: 'cache' });
    log.warn('before');
    await import('@vibeonrails/infra-core/logging');
    log.info('after');
  `);
  expect(await child.ended).toBe(0);
  expect(lines(child.stderr()).map((line) => line.msg)).toEqual(['before']);
  expect(child.lines()).toEqual([expect.objectContaining({ module: 'cache', msg: 'after', level: 30 })]);
});

test('a service without a package.json and a name has none on its lines', async () => {
  const child = run(
    `const { createLogger } = await import(${JSON.stringify(new URL('../src/logging.ts', import.meta.url).href)});
     createLogger().info('x');`,
    { cwd: temporaryFolder() },
  );
  expect(await child.ended).toBe(0);
  expect(child.lines()[0]).not.toHaveProperty('service');
});
