import { spawn } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { logger as facade, runWithContext } from '../src/index.ts';
import { loggerSlot } from '../src/logger.ts';
import { type CreateLoggerOptions, createLogger, type Logger, logger, setLogger } from '../src/logging.ts';

type Line = Record<string, unknown>;

function capture(options: CreateLoggerOptions = {}): { log: Logger; lines: Line[]; text: () => string } {
  const written: string[] = [];
  const lines: Line[] = [];
  const write = (line: string): void => {
    written.push(line);
    if (line.startsWith('{')) lines.push(JSON.parse(line));
  };
  const log = createLogger({ name: 'shop', env: {}, destination: { write }, ...options });
  return { log, lines, text: () => written.join('') };
}

let former: Logger | undefined;
beforeEach(() => {
  former = loggerSlot().backend;
});
afterEach(() => {
  if (former) setLogger(former);
  else delete loggerSlot().backend;
});

test('a line is JSON with level, time, service, fields and message', () => {
  const { log, lines } = capture({ bindings: { region: 'eu' } });
  log.info({ userId: 7 }, 'signed up');
  log.warn('plain');
  expect(lines[0]).toEqual({
    level: 30,
    time: expect.any(Number),
    service: 'shop',
    region: 'eu',
    userId: 7,
    msg: 'signed up',
  });
  expect(lines[1]).toMatchObject({ level: 40, msg: 'plain' });
});

test('lines below the level are not written, and a logger says so beforehand', () => {
  const { log, lines } = capture({ level: 'warn' });
  log.info('no');
  log.error('yes');
  expect(lines).toHaveLength(1);
  expect([log.isLevelEnabled('info'), log.isLevelEnabled('warn')]).toEqual([false, true]);
});

test('the level comes from LOG_LEVEL', () => {
  const { log, lines } = capture({ env: { LOG_LEVEL: 'debug' } });
  log.debug('seen');
  expect(lines).toHaveLength(1);
  const silent = capture({ env: { LOG_LEVEL: 'silent' } });
  silent.log.fatal('unseen');
  expect(silent.lines).toEqual([]);
});

test.each([{ LOG_LEVEL: 'chatty' }, { LOG_PRETTY: 'perhaps' }])('%o is refused with E_CONFIG', (env) => {
  expect(() => capture({ env })).toThrow(expect.objectContaining({ code: 'E_CONFIG' }));
});

test('the service is named by SERVICE_NAME, else OTEL_SERVICE_NAME, else package.json', () => {
  const named = (env: Record<string, string>): unknown => {
    const lines: string[] = [];
    createLogger({ env, destination: { write: (line) => lines.push(line) } }).info('x');
    return JSON.parse(lines[0]!).service;
  };
  expect(named({ SERVICE_NAME: 'a', OTEL_SERVICE_NAME: 'b' })).toBe('a');
  expect(named({ OTEL_SERVICE_NAME: 'b' })).toBe('b');
  expect(named({})).toEqual(expect.stringContaining('vibeonrails'));
});

test('a child adds its fields to every line, a grandchild adds its own', () => {
  const { log, lines } = capture();
  log.child({ module: 'billing' }).child({ job: 1 }).info('charged');
  expect(lines[0]).toMatchObject({ service: 'shop', module: 'billing', job: 1, msg: 'charged' });
});

test('an error is written with type, message, stack, cause and own fields', () => {
  const { log, lines } = capture();
  const error = Object.assign(new TypeError('wrong', { cause: new Error('below') }), { code: 'E_X' });
  log.error({ err: error }, 'it failed');
  log.error(error);
  for (const { err } of lines as { err: Line }[]) {
    expect(err).toMatchObject({ type: 'TypeError', code: 'E_X', message: 'wrong' });
    expect(err.stack).toContain('caused by: Error: below');
  }
  expect(lines.map((line) => line.msg)).toEqual(['it failed', 'wrong']);
});

test('ids of the current context are on every line, those of a child too', () => {
  const { log, lines } = capture();
  const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
  runWithContext({ trace, requestId: 'r-1' }, () => {
    log.info('in');
    log.child({ x: 1 }).info({ y: 2 }, 'in child');
  });
  runWithContext({ requestId: 'r-2' }, () => log.info('request alone'));
  log.info('out');
  const ids = { trace_id: trace.traceId, span_id: trace.spanId, request_id: 'r-1' };
  expect(lines[0]).toMatchObject(ids);
  expect(lines[1]).toMatchObject({ ...ids, x: 1, y: 2 });
  expect(lines[2]).toMatchObject({ request_id: 'r-2' });
  expect(lines[2]).not.toHaveProperty('trace_id');
  expect(lines[3]).not.toHaveProperty('request_id');
});

test('the object that is logged is never changed', () => {
  const { log } = capture();
  const fields = { password: 'x', user: { token: 'y' } };
  runWithContext({ requestId: 'r' }, () => log.info(fields, 'm'));
  expect(fields).toEqual({ password: 'x', user: { token: 'y' } });
});

test('pretty lines are for people: time, level, message, fields, and the stack of an error', () => {
  const { log, text } = capture({ pretty: true });
  log.child({ module: 'queue' }).warn({ job: 'a b', n: 1, o: { p: true } }, 'slow');
  log.error({ err: Object.assign(new Error('boom'), { code: 'E_X' }) });
  const [first, second, ...stack] = text().trimEnd().split('\n');
  expect(first).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN {2}slow module=queue job="a b" n=1 o=\{"p":true\}$/);
  expect(second).toMatch(/ ERROR boom code=E_X$/);
  expect(stack[0]).toBe('  Error: boom');
  expect(stack[1]).toMatch(/^ {6}at /);
});

test('a pretty line cannot steer the terminal', () => {
  const { log, text } = capture({ pretty: true });
  log.info({ name: '\u001b[2J', err: new Error('\u001b]0;title\u0007') }, 'hello \u001b[31mred\nnext');
  expect(text()).not.toContain('\u001b');
});

test('LOG_PRETTY decides, and an option decides over it', () => {
  const first = capture({ env: { LOG_PRETTY: 'true' } });
  first.log.info('m');
  expect(first.text()).toMatch(/INFO {2}m\n$/);
  const second = capture({ env: { LOG_PRETTY: 'true' }, pretty: false });
  second.log.info('m');
  expect(second.lines).toHaveLength(1);
});

test('setLogger stands behind every facade and every child, also those made before', () => {
  const child = facade.child({ module: 'cache' });
  const first = capture();
  setLogger(first.log);
  child.info('one');
  logger.info('two');
  const second = capture();
  setLogger(second.log);
  child.info({ n: 3 }, 'three');
  expect(first.lines.map((line) => line.msg)).toEqual(['one', 'two']);
  expect(second.lines).toEqual([expect.objectContaining({ module: 'cache', n: 3, msg: 'three' })]);
  expect(logger).toBe(facade);
});

test('a logger of another make works behind the facade, its own this included', () => {
  class Custom {
    readonly #seen: unknown[] = [];
    info(...args: unknown[]): void {
      this.#seen.push(args);
    }
    get seen(): unknown[] {
      return this.#seen;
    }
  }
  const custom = new Custom();
  setLogger(custom as unknown as Logger);
  facade.info({ a: 1 }, 'm');
  expect(custom.seen).toEqual([[{ a: 1 }, 'm']]);
});

test('a destination that throws reaches whoever logs, not a shutdown', () => {
  const log = createLogger({
    env: {},
    destination: {
      write: () => {
        throw new Error('disk full');
      },
    },
  });
  expect(() => log.info('x')).toThrow('disk full');
});

test.runIf(process.platform === 'linux')(
  'it logs pretty on a real terminal, JSON in production',
  async () => {
    const { environment, NODE_ARGS, PACKAGE } = await import('./child.ts');
    const onTerminal = async (env: Record<string, string>): Promise<string> => {
      const code =
        "import { logger } from '@vibeonrails/infra-core/logging'; logger.info({ a: 1 }, 'hello');";
      const args = [process.execPath, ...NODE_ARGS, '--input-type=module', '--eval', code];
      const command = args.map((arg) => `'${arg.replaceAll("'", "'\\''")}'`).join(' ');
      const child = spawn('script', ['-qec', command, '/dev/null'], {
        cwd: PACKAGE,
        env: environment({ TERM: 'xterm-256color', ...env }),
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      let text = '';
      for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk;
      return text;
    };
    const [development, plain, production] = await Promise.all([
      onTerminal({ NODE_ENV: '' }),
      onTerminal({ NODE_ENV: '', NO_COLOR: '1' }),
      onTerminal({ NODE_ENV: 'production' }),
    ]);
    expect(development).toMatch(/INFO .*hello .*a=.*1/);
    expect(development).toContain('\u001b[32m');
    expect(plain).toMatch(/\d INFO {2}hello a=1/);
    expect(JSON.parse(production)).toMatchObject({ a: 1, msg: 'hello' });
  },
);
