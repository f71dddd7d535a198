import { expect, test } from 'vitest';
import { installSignalHandlers } from '../src/index.ts';
import { run } from './child.ts';

/** A process that serves until it is told to stop: hooks first, then the word that it is ready. */
const server = (hooks: string, options = ''): string => `
  import { installSignalHandlers, logger, onShutdown } from '@vibeonrails/infra-core';
  import '@vibeonrails/infra-core/logging';
  ${hooks}
  installSignalHandlers({${options}});
  setInterval(() => {}, 1000);
  logger.info('ready');
`;
const posix = process.platform !== 'win32';

test.runIf(posix).each(['SIGTERM', 'SIGINT'] as const)(
  '%s drains, closes, exits with 0, and the last log line survives',
  async (signal) => {
    const child = run(
      server(`
        onShutdown('connection', () => logger.info('closed'));
        onShutdown('work', async () => {
          await new Promise((resolve) => setTimeout(resolve, 50));
          logger.info('drained');
        }, { phase: 'drain' });
      `),
    );
    await child.printed('ready');
    child.process.kill(signal);
    expect(await child.ended).toBe(0);
    const lines = child.lines();
    expect(lines.map((line) => line.msg)).toEqual([
      'ready',
      'shutting down; a second signal exits at once',
      'drained',
      'closed',
      'shut down',
    ]);
    expect(lines.at(-1)).toMatchObject({ level: 30, shutdown: { reason: signal, ok: true } });
  },
);

test.runIf(posix)('a failing hook exits with 1, after the others', async () => {
  const child = run(
    server(`
      onShutdown('fine', () => ({ secret: 'internal' }));
      onShutdown('broken', () => { throw new Error('cannot close'); });
    `),
  );
  await child.printed('ready');
  child.process.kill('SIGTERM');
  expect(await child.ended).toBe(1);
  expect(child.lines().at(-1)).toMatchObject({
    level: 40,
    msg: 'shut down with problems',
    shutdown: {
      hooks: [
        { name: 'broken', status: 'failed', error: 'cannot close' },
        { name: 'fine', status: 'done' },
      ],
    },
  });
  expect(child.stdout()).not.toContain('internal');
});

test.runIf(posix)('a second signal exits at once with 1', async () => {
  const child = run(server(`onShutdown('hangs', () => new Promise(() => {}), { timeout: '1h' });`));
  await child.printed('ready');
  child.process.kill('SIGTERM');
  await child.printed('shutting down');
  child.process.kill('SIGINT');
  expect(await child.ended).toBe(1);
  expect(child.lines().at(-1)).toMatchObject({ signal: 'SIGINT', msg: 'second signal: exiting at once' });
});

test.runIf(posix)('a hook that hangs is left behind at the deadline', async () => {
  const child = run(
    server(
      `onShutdown('hangs', () => new Promise(() => {}));`,
      `deadline: 100, onReport: (r) => console.log(JSON.stringify(r.hooks[0]))`,
    ),
  );
  await child.printed('ready');
  child.process.kill('SIGTERM');
  expect(await child.ended).toBe(1);
  expect(child.lines().at(-1)).toMatchObject({ name: 'hangs', status: 'timeout' });
});

test.runIf(posix)('a report callback that throws does not keep the process from exiting', async () => {
  const child = run(server('', `onReport: () => { throw new Error('in the callback'); }`));
  await child.printed('ready');
  child.process.kill('SIGTERM');
  expect(await child.ended).toBe(0);
  expect(child.lines().at(-1)).toMatchObject({ msg: 'onReport threw', err: { message: 'in the callback' } });
});

test.runIf(posix)('a logger that cannot be made does not keep the process from shutting down', async () => {
  const child = run(
    `
    import { installSignalHandlers, onShutdown } from '@vibeonrails/infra-core';
    import '@vibeonrails/infra-core/logging';
    onShutdown('work', () => console.log('drained'));
    installSignalHandlers();
    setInterval(() => {}, 1000);
    console.log('ready');
  `,
    { env: { LOG_LEVEL: 'chatty' } },
  );
  await child.printed('ready');
  child.process.kill('SIGTERM');
  expect(await child.ended).toBe(0);
  expect(child.stdout()).toBe('ready\ndrained\n');
});

test.runIf(posix)('handlers that were taken away leave the signal to Node', async () => {
  const child = run(`
    import { installSignalHandlers } from '@vibeonrails/infra-core';
    installSignalHandlers()();
    setInterval(() => {}, 1000);
    console.log('ready');
  `);
  await child.printed('ready');
  child.process.kill('SIGTERM');
  expect(await child.ended).toBe('SIGTERM');
});

test('a wrong duration is refused at start, not at the signal', () => {
  expect(() => installSignalHandlers({ deadline: 'later' as never })).toThrow('"later" is not a duration');
  expect(() => installSignalHandlers({ drainDelay: -1 })).toThrow('-1 is not a duration');
});
