import * as v from 'valibot';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type ConfigError,
  checkConfig,
  clearSlot,
  defineConfig,
  describeConfig,
  duration,
  int,
  list,
  secret,
  text,
  url,
} from '../src/index.ts';

beforeEach(() => clearSlot('config'));
afterEach(() => clearSlot('config'));

function problemsOf(read: () => unknown): ConfigError {
  try {
    read();
  } catch (error) {
    return error as ConfigError;
  }
  throw new Error('expected a ConfigError');
}

test('values are read, converted and frozen', () => {
  const config = defineConfig({
    PORT: int({ default: 3000 }),
    HOSTS: list({ optional: true }),
    NAME: text(),
  });
  const values = config.read({ PORT: ' 8080 ', NAME: 'shop' });
  expect(values).toEqual({ PORT: 8080, HOSTS: undefined, NAME: 'shop' });
  expect(Object.isFrozen(values)).toBe(true);
});

test('nothing is read before read(), and process.env is looked up at each read', () => {
  const config = defineConfig({ SAMPLE_PORT: int({ default: 1 }) });
  try {
    process.env.SAMPLE_PORT = '5';
    expect(config.read().SAMPLE_PORT).toBe(5);
    process.env.SAMPLE_PORT = '6';
    expect(config.read().SAMPLE_PORT).toBe(6);
  } finally {
    delete process.env.SAMPLE_PORT;
  }
});

test('an empty or blank variable counts as not set', () => {
  const config = defineConfig({ PORT: int({ default: 3000 }) });
  expect(config.read({ PORT: '' }).PORT).toBe(3000);
  expect(config.read({ PORT: '  \n' }).PORT).toBe(3000);
});

test('every problem is in one error, naming variable, form and package, never the value', () => {
  const config = defineConfig(
    { PORT: int({ min: 1 }), DATABASE_URL: url(), API_KEY: secret({ minLength: 20 }), RETRY: duration() },
    { package: '@sample/shop' },
  );
  const error = problemsOf(() =>
    config.read({ PORT: 'eighty-eighty', API_KEY: 'hunter2', RETRY: 'soonish' }),
  );
  expect(error).toMatchObject({ code: 'E_CONFIG', retryable: false });
  expect(error.message).toBe(
    `The configuration has 4 problems:
  PORT (@sample/shop) is not valid: expected a whole number of 1 or more.
  DATABASE_URL (@sample/shop) is not set: expected a URL such as https://example.com.
  API_KEY (@sample/shop) is not valid: expected a secret of 20 characters or more.
  RETRY (@sample/shop) is not valid: expected a duration such as '500ms', '30s' or '5m'.
 Correct the environment variables above and start again.`,
  );
  expect(JSON.stringify(error)).not.toMatch(/eighty|hunter2|soonish/);
});

test('one problem is announced as one', () => {
  const config = defineConfig({ PORT: int() });
  expect(problemsOf(() => config.read({})).message).toContain('has one problem:');
});

test('a fallback is read in order when the variable is not set, and named when it is wrong', () => {
  const config = defineConfig({ S3_RETRIES: int({ fallback: ['AWS_RETRIES', 'RETRIES'] }) });
  expect(config.read({ S3_RETRIES: '1', AWS_RETRIES: '2' }).S3_RETRIES).toBe(1);
  expect(config.read({ S3_RETRIES: ' ', AWS_RETRIES: '2', RETRIES: '3' }).S3_RETRIES).toBe(2);
  expect(config.read({ RETRIES: '3' }).S3_RETRIES).toBe(3);
  expect(problemsOf(() => config.read({ AWS_RETRIES: 'x' })).message).toContain(
    'S3_RETRIES (application) is not valid in AWS_RETRIES: expected a whole number.',
  );
});

test('a rule over several variables reports what is broken once the single values are right', () => {
  const config = defineConfig(
    { MIN: int(), MAX: int() },
    { check: ({ MIN, MAX }, report) => MIN > MAX && report('MAX', 'a number above MIN') },
  );
  expect(config.read({ MIN: '1', MAX: '2' })).toEqual({ MIN: 1, MAX: 2 });
  expect(problemsOf(() => config.read({ MIN: '3', MAX: '2' })).problems).toEqual([
    { variable: 'MAX', package: 'application', kind: 'invalid', expected: 'a number above MIN' },
  ]);
  expect(problemsOf(() => config.read({ MIN: 'x', MAX: '2' })).problems).toHaveLength(1);
});

test('zod and valibot schemas are read like readers', () => {
  const config = defineConfig({
    PORT: z.coerce.number().int().default(3000),
    MODE: v.optional(v.picklist(['fast', 'safe']), 'safe'),
  });
  expect(config.read({ PORT: '80' })).toEqual({ PORT: 80, MODE: 'safe' });
});

test.each([
  ['zod', z.string().email('must be an e-mail address')],
  ['zod', z.enum(['a', 'b'])],
  ['zod', z.string().refine(() => false, { error: (issue) => `got ${JSON.stringify(issue.input)}` })],
  ['zod', z.string().refine(() => false, { error: (issue) => `got ${String(issue.input).toUpperCase()}` })],
  ['valibot', v.pipe(v.string(), v.email())],
  ['valibot', v.picklist(['a', 'b'])],
  [
    'valibot',
    v.pipe(
      v.string(),
      v.transform((value) => value.split(',')),
      v.array(v.pipe(v.string(), v.url())),
    ),
  ],
])('what a %s schema says of a value never holds it', (vendor, schema) => {
  const config = defineConfig({ KEY: schema });
  const error = problemsOf(() => config.read({ KEY: 'pass"word,hunter2\\x' }));
  expect(error.message).toContain(`expected what its ${vendor} schema accepts`);
  expect(error.message).not.toMatch(/pass|word|hunter2/i);
});

test('what a third-party schema says is shown with the value it quotes cut out', () => {
  const config = defineConfig({
    MAIL: v.pipe(v.string(), v.email()),
    PORT: z.coerce.number().min(1024, 'must be 1024 or more'),
  });
  const { problems } = problemsOf(() => config.read({ MAIL: 'nobody', PORT: '80' }));
  expect(problems.map(({ expected }) => expected)).toEqual([
    'what its valibot schema accepts (Invalid email: Received …)',
    'what its zod schema accepts (must be 1024 or more)',
  ]);
});

test('of a variable named secret a third-party schema says nothing at all', () => {
  const config = defineConfig({ KEY: z.string().min(20, 'too short') }, { secrets: ['KEY'] });
  expect(problemsOf(() => config.read({ KEY: 'x' })).message).not.toContain('too short');
});

test('an asynchronous schema is refused, whatever it would have answered', async () => {
  const config = defineConfig({
    A: z.string().refine(async () => true),
    B: v.pipeAsync(
      v.string(),
      v.checkAsync(() => Promise.reject(new Error('late'))),
    ),
  });
  const { problems } = problemsOf(() => config.read({ A: 'x', B: 'y' }));
  expect(problems).toHaveLength(2);
  expect(problems[0]?.expected).toContain('asynchronous');
  await new Promise((resolve) => setImmediate(resolve));
});

test('a schema that throws is a problem like any other, and what it throws is not shown', () => {
  const config = defineConfig({
    A: z.string().transform((value) => JSON.parse(value)),
    B: v.pipe(
      v.string(),
      v.transform((value) => JSON.parse(value)),
    ),
  });
  const error = problemsOf(() => config.read({ A: 'hunter2', B: 'hunter2' }));
  expect(error.problems).toHaveLength(2);
  expect(error.message).not.toContain('hunter2');
});

test('describeConfig lists every declared variable with its form, default and state, never a value', () => {
  defineConfig(
    { PORT: int({ default: 3000, description: 'where it listens' }), KEY: secret({ default: 'dev-key-1' }) },
    { package: 'b' },
  );
  defineConfig(
    {
      TTL: duration({ default: '5m', fallback: 'OLD_TTL' }),
      LEVEL: z.string().default('low'),
      ID: z.string(),
    },
    { package: 'a', secrets: ['ID'] },
  );
  expect(describeConfig({ OLD_TTL: '1s', KEY: 'live-key', ID: 'x' })).toEqual([
    { variable: 'ID', package: 'a', form: 'zod schema', required: true, secret: true, set: true },
    {
      variable: 'LEVEL',
      package: 'a',
      form: 'zod schema',
      required: false,
      default: 'low',
      secret: false,
      set: false,
    },
    {
      variable: 'TTL',
      package: 'a',
      form: "a duration such as '500ms', '30s' or '5m'",
      required: false,
      default: '5m',
      secret: false,
      set: true,
      from: 'OLD_TTL',
    },
    { variable: 'KEY', package: 'b', form: 'a secret', required: false, secret: true, set: true },
    {
      variable: 'PORT',
      package: 'b',
      form: 'a whole number',
      required: false,
      default: '3000',
      secret: false,
      description: 'where it listens',
      set: false,
    },
  ]);
});

test('the same configuration declared twice is described once', () => {
  for (let i = 0; i < 2; i += 1) defineConfig({ PORT: int() }, { package: 'a' });
  expect(describeConfig({})).toHaveLength(1);
});

test('a variable that several packages read alike is one line, with all of them', () => {
  defineConfig({ SHARED_URL: url(), OTHER: text() }, { package: 'one' });
  defineConfig({ SHARED_URL: url() }, { package: 'two' });
  defineConfig({ SHARED_URL: int() }, { package: 'three' });
  const { message, problems } = problemsOf(() => checkConfig({ SHARED_URL: 'x', OTHER: 'set' }));
  expect(problems).toHaveLength(3);
  expect(message).toContain('has 2 problems:\n  SHARED_URL (one, two) is not valid: expected ');
  expect(message).toContain('\n  SHARED_URL (three) is not valid: expected ');
});

test('checkConfig reports the problems of all packages at once', () => {
  defineConfig({ PORT: int() }, { package: 'a' });
  defineConfig({ HOST: url({ protocols: ['redis', 'rediss'] }) }, { package: 'b' });
  const { problems } = problemsOf(() => checkConfig({ HOST: 'localhost' }));
  expect(problems.map((problem) => `${problem.package} ${problem.variable} ${problem.kind}`)).toEqual([
    'a PORT missing',
    'b HOST invalid',
  ]);
  expect(() => checkConfig({ PORT: '1', HOST: 'redis://localhost' })).not.toThrow();
});
